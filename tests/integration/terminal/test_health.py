"""/health against real servers, and against servers that hang."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from marketdata import derived_board, quote_board
from marketdata.domain.analytics.derived_rows import OPTION_ROW, SERIES_ROW, DerivedFrame
from marketdata.domain.quote_rows import FrameKind
from marketdata.models import InstrumentImport
from marketdata.quote_board import BoardError
from subscriptions.models import FeedGate, PreloadRule
from terminal.health import PRELOAD_TASK
from terminal.probes import DatabaseProbe, NoAnswer, Probe, ask_all
from tests.factories import NOW


def publish_analytics(*, at: datetime) -> None:
    """Publish a frame without rows, as the analytics worker does while nothing streams."""

    async def publish() -> None:
        publisher = derived_board.connect_publisher()
        options, series = np.zeros(0, dtype=OPTION_ROW), np.zeros(0, dtype=SERIES_ROW)
        await publisher.publish(DerivedFrame(FrameKind.FULL, 1, 1, round(at.timestamp() * 1_000), options, series))
        await publisher.aclose()

    asyncio.run(publish())


@pytest.mark.django_db(transaction=True)
def test_health_of_an_empty_terminal_is_failing_and_lists_every_part(own_board: str, settings: Settings) -> None:
    settings.MARKET_DATE = NOW.date()

    answer = Client().get("/health")

    assert answer.status_code == 503
    assert answer["Cache-Control"].startswith("max-age=0")
    body = answer.json()
    assert body["status"] == "failing"
    assert {name: part["status"] for name, part in body["parts"].items()} == {
        "web": "ok",
        "database": "ok",
        "redis": "ok",
        "instruments": "failing",
        "tier_b": "ok",
        "token": "degraded",
        "sessions": "ok",
        "gate": "ok",
        "feed": "ok",
        "beat": "degraded",
        "work": "degraded",
        "analytics": "degraded",
        "disk": "ok",
    }
    assert body["parts"]["instruments"]["reason"] == "no instruments were imported yet"
    assert [one["ws_id"] for one in body["parts"]["feed"]["connections"]] == [1, 2, 3, 4, 5]


@pytest.mark.django_db(transaction=True)
def test_health_is_ok_when_all_parts_are_ok(own_board: str, settings: Settings) -> None:
    settings.MARKET_DATE = NOW.date()
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "a-token"
    PreloadRule.objects.update(is_active=False)
    InstrumentImport.objects.create(
        source="a.csv", as_of=NOW.date(), started_at=NOW, finished_at=timezone.now(), rows_kept=3
    )
    quote_board.connect().note_run(task=PRELOAD_TASK, at=timezone.now())
    publish_analytics(at=timezone.now())

    answer = Client().get("/health")

    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["parts"]["instruments"]["listed"] == 3


@pytest.mark.django_db(transaction=True)
def test_a_calendar_without_the_next_trading_day_degrades_health(own_board: str, settings: Settings) -> None:
    settings.MARKET_DATE = date(2030, 1, 1)

    part = Client().get("/health").json()["parts"]["sessions"]

    assert part["status"] == "degraded"
    assert "2030" in part["reason"]


@pytest.mark.django_db(transaction=True)
def test_a_cooldown_degrades_health_until_it_ends(own_board: str) -> None:
    now = timezone.now()
    FeedGate.objects.update_or_create(id=1, defaults={"cooldown_until": now + timedelta(minutes=1), "reason": "429"})
    during = Client().get("/health").json()["parts"]["gate"]
    scraped = Client().get("/metrics").content.decode()
    FeedGate.objects.update(cooldown_until=now)
    after = Client().get("/health").json()["parts"]["gate"]

    assert (during["status"], during["closes_all"]) == ("degraded", False)
    assert "\nterminal_feed_quiet_seconds 5" in scraped
    assert after == {"status": "ok"}


@pytest.mark.django_db(transaction=True)
def test_health_shows_neither_client_id_nor_access_token(own_board: str, settings: Settings) -> None:
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "a-token-of-the-account"

    text = Client().get("/health").content.decode()

    assert "a-token" not in text
    assert "1000000001" not in text


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_is_nearly_full_or_missing_degrades_health(own_board: str, settings: Settings) -> None:
    settings.DISK_FREE_MB = 10_000_000
    scarce = Client().get("/health").json()["parts"]["disk"]
    settings.DISK_PATHS = ["/nowhere"]
    gone = Client().get("/health").json()["parts"]["disk"]

    assert (scarce["status"], gone["status"]) == ("degraded", "degraded")
    assert scarce["free_mb"] > 0
    assert gone["reason"] == "the free space is unknown: FileNotFoundError"


@pytest.mark.django_db(transaction=True)
def test_an_unreachable_redis_fails_its_part_only(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = Client().get("/health")

    assert answer.status_code == 503
    assert answer.json()["parts"]["redis"] == {
        "status": "failing",
        "reason": "ConnectionError: no price reaches a browser",
    }
    assert answer.json()["parts"]["database"] == {"status": "ok"}


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_hangs_does_not_delay_the_response(settings: Settings) -> None:
    with _silent_server() as port:
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        begun = time.monotonic()
        answer = Client().get("/health")
        took = time.monotonic() - begun

    assert answer.status_code == 503
    assert answer.json()["parts"]["redis"]["reason"] == "TimeoutError: no price reaches a browser"
    assert took < 2


@pytest.mark.django_db(transaction=True)
def test_a_query_without_an_answer_is_abandoned_and_its_connection_closed() -> None:
    probe = DatabaseProbe(_hang)

    answers = ask_all({"database": probe}, seconds=0.2)

    assert isinstance(answers["database"], NoAnswer)
    assert str(answers["database"]) == "no answer within 0.2 s"
    _wait_until_no_health_thread()


@pytest.mark.django_db(transaction=True)
def test_a_slow_statement_ends_by_the_statement_timeout() -> None:
    answers = ask_all({"database": DatabaseProbe(_hang)}, seconds=5)

    assert str(answers["database"]) == "OperationalError"
    _wait_until_no_health_thread()


def test_answers_have_the_names_of_their_probes(own_board: str) -> None:
    board = quote_board.connect()

    answers = ask_all({"queued": Probe(lambda: board.count_queued("default"), BoardError)}, seconds=5)

    assert answers == {"queued": 0}


def _hang() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")


def _wait_until_no_health_thread() -> None:
    for thread in threading.enumerate():
        if thread.name == "health":
            thread.join(timeout=5)
            assert not thread.is_alive()
    assert connection.alias == "default"


@contextmanager
def _silent_server() -> Iterator[int]:
    """Accept connections and send nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
