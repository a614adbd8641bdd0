"""API clients of two traders."""

import pytest
from rest_framework.test import APIClient

from accounts.models import User


@pytest.fixture
def client_of_asha(asha: User) -> APIClient:
    return client_of(asha)


@pytest.fixture
def client_of_vikram(vikram: User) -> APIClient:
    return client_of(vikram)


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client
