"""/ready: whether this web process accepts new browsers, whatever the state of the shared servers."""

import pytest
from django.test import Client
from pytest_django import Settings

from terminal.admission import Sockets
from terminal.readiness import FirstAnswers, list_reasons


@pytest.mark.django_db(transaction=True)
def test_a_process_is_ready_once_both_servers_have_answered_it(own_board: str, settings: Settings) -> None:
    answers, redis_url = FirstAnswers(), settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    before = answers.list_missing()

    settings.REDIS_URL = redis_url
    assert (before, answers.list_missing()) == (["redis: ConnectionError"], [])

    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert answers.list_missing() == []


@pytest.mark.django_db(transaction=True)
def test_a_process_without_room_for_another_browser_is_not_ready(own_board: str) -> None:
    full = Sockets(open=Sockets().most)

    answer = Client().get("/ready")

    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": []})
    assert list_reasons(FirstAnswers(), full) == ["the maximum of browser sockets is open"]
