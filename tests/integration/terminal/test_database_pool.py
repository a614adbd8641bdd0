"""The database connections of a web process, from outside: requests share them, a broken one fails no request, and
browsers at rest take none but that of their process.
"""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection
from knox.models import get_token_model

from accounts.models import User
from marketdata.streaming.hub import ROOM_EVERY_SECONDS
from tests.browsers import log_in, watching_browser
from tests.factories import make_listing
from tests.waiting import wait_until
from tests.web_servers import running_web

pytestmark = pytest.mark.django_db(transaction=True)

REQUESTS = 20
BROWSERS = 10
FRAMES = 6
"""Chosen: an empty frame comes every 0.75 s, so these take 4.5 s; the calendar is read every 30 s."""


class Caller:
    """An integrator with a token."""

    def __init__(self, web: str) -> None:
        self.web = web
        _, self._token = get_token_model().objects.create(user=User.objects.create_user("ravi"))

    def read_status(self) -> object:
        """Return the body of `GET subscriptions/status`; an error status raises."""
        return json.loads(self._read("/api/v2/subscriptions/status", Authorization=f"Token {self._token}"))

    def count_connects(self) -> float:
        """Return how many connections the web process has opened."""
        return self._metric("terminal_web_database_connects_total")

    def count_used(self) -> float:
        """Return how many connections requests have taken and not returned."""
        return self._metric('terminal_web_database_connections{state="used"}')

    def count_reads(self) -> float:
        """Return how often the watches of browsers were read."""
        return self._metric('terminal_web_socket_reads_total{of="watches"}')

    def count_uses(self) -> float:
        """Return how often a connection was taken, with those of this scrape up to then."""
        return self._metric("terminal_web_database_uses_total")

    def _metric(self, name: str) -> float:
        lines = dict(line.rsplit(" ", 1) for line in self._read("/metrics").splitlines() if not line.startswith("#"))
        return float(lines[name])

    def _read(self, path: str, **headers: str) -> str:
        request = urllib.request.Request(f"http://{self.web}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310  loopback
            return str(reply.read().decode())


@pytest.fixture
def caller(tmp_path: Path, transactional_db: None, own_board: str) -> Iterator[Caller]:
    with running_web(tmp_path) as web:
        yield Caller(web)


def test_requests_one_after_another_open_no_connection(caller: Caller) -> None:
    caller.read_status()
    before = caller.count_connects()

    for _ in range(REQUESTS):
        caller.read_status()

    assert caller.count_connects() == before > 0
    # The scrape itself may read in other threads, which return their connections when they end.
    assert caller.count_used() <= 2


def test_a_request_after_all_connections_broke_is_answered(caller: Caller) -> None:
    caller.read_status()
    before = caller.count_connects()

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        (ended,) = cursor.fetchone()

    assert ended >= 1
    assert caller.read_status()
    assert caller.count_connects() > before


def test_browsers_at_rest_take_no_connection_beside_the_room_that_their_process_reads(caller: Caller) -> None:
    watched = [one.pk for one in make_listing().spots.values()]
    cookie = log_in("asha")
    with ExitStack() as stack:
        browsers = [stack.enter_context(watching_browser(caller.web, cookie, watched)) for _ in range(BROWSERS)]
        wait_until(lambda: all(one.answers("all") for one in browsers), message="every watch is answered")
        # The hub of the first browser takes everything as changed once, so the watch is read a second time.
        wait_until(lambda: caller.count_reads() >= 2, message="the changes of the beginning are read")
        caller.count_uses()
        of_a_scrape = -caller.count_uses() + caller.count_uses()
        frames = [one.frames for one in browsers]
        before, began = caller.count_uses(), time.monotonic()

        wait_until(
            lambda: all(one.frames >= had + FRAMES for one, had in zip(browsers, frames, strict=True)),
            message="every browser has received further frames",
        )

        used = caller.count_uses() - before
        # Once for all browsers; and the calendar, every half minute.
        of_the_process = 2 + (time.monotonic() - began) // ROOM_EVERY_SECONDS
        assert used <= of_a_scrape + of_the_process < BROWSERS * FRAMES
