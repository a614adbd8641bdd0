"""Fixtures of the integration tests."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from devstack.signal_waiter import SignalWaiter
from devstack.supervisor import Supervisor


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Use a fast password hash: the strength of the hash is tested by Django."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def reports() -> list[str]:
    """Return the lines that `supervisor` has reported."""
    return []


@pytest.fixture
def supervisor(reports: list[str]) -> Iterator[Supervisor]:
    """Yield a supervisor without programs; it stops all of them on teardown."""
    supervisor = Supervisor(signals=SignalWaiter(), report=reports.append)
    yield supervisor
    supervisor.stop_all()
