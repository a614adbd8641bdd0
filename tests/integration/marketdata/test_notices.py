"""Notices to browsers are best effort: without Redis a notice is lost and logged, and the request succeeds."""

import pytest
from pytest_django import Settings

from marketdata import notices

UNREACHABLE = "redis://127.0.0.1:1/0"


@pytest.fixture
def no_redis(settings: Settings) -> None:
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {**layer["CONFIG"], "hosts": [UNREACHABLE]}}}


@pytest.mark.usefixtures("no_redis")
def test_a_notice_that_cannot_be_delivered_is_logged_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    notices.send(user_ids=[7, 8], messages=[notices.notice("evicted", "Added A, removed B")])

    assert "notice not delivered to the browsers of 2 users" in caplog.text


@pytest.mark.usefixtures("no_redis")
def test_without_users_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    notices.send(user_ids=[], messages=[notices.WATCHLIST_CHANGED])

    assert caplog.text == ""
