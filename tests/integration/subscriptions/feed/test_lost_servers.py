"""PostgreSQL and Redis failing under a running feed worker: the sockets stay open, and the worker recovers.

Tests that run in parallel share Redis, so the worker uses a proxy: only its connections are blocked or dropped.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from marketdata import quote_board
from subscriptions.models import FeedLease
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    list_reports,
    list_subscribed_keys,
    list_wanted_keys,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.proxies import Proxy, running_proxy
from tests.simulators import SimulatorAddress
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]


@pytest.fixture
def redis_proxy() -> Iterator[Proxy]:
    """Yield a proxy between the worker and Redis."""
    with running_proxy(urlsplit(settings.REDIS_URL).port or 6_379) as proxy:
        yield proxy


def url_through(proxy: Proxy) -> str:
    """Return the URL of the suite's Redis through `proxy`."""
    url = urlsplit(settings.REDIS_URL)
    return url._replace(netloc=url.netloc.rpartition(":")[0] + f":{proxy.port}").geturl()


def test_a_worker_cut_off_from_the_database_keeps_streaming_with_its_epochs(
    simulator: SimulatorAddress, tmp_path: Path
) -> None:
    make_subscriptions(simulator, count=40)
    with running_worker(tmp_path, name="feed", simulator=simulator):
        wait_until_streaming(40)
        epochs = dict(FeedLease.objects.values_list("connection_id", "epoch"))
        openings = count_opened_sockets(simulator)

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchone()[0] >= 2
        make_subscriptions(simulator, count=10, skip=40)
        quote_board.connect().nudge()

        wait_until_streaming(50, seconds=10)
        assert list_subscribed_keys(simulator) == list_wanted_keys()
        assert count_opened_sockets(simulator) == openings
        assert dict(FeedLease.objects.values_list("connection_id", "epoch")) == epochs


def test_a_redis_that_hangs_loses_frames_and_closes_no_socket(
    simulator: SimulatorAddress, tmp_path: Path, redis_proxy: Proxy
) -> None:
    make_subscriptions(simulator, count=40)
    with running_worker(tmp_path, name="feed", simulator=simulator, REDIS_URL=url_through(redis_proxy)):
        wait_until_streaming(40)
        openings = count_opened_sockets(simulator)
        before = {one.connection: one.statistics.lost_writes for one in list_reports()}

        redis_proxy.hold()
        # Every write times out after one second; reports expire five seconds after the last write.
        wait_until(lambda: list_reports() == [], seconds=15, message="reports expire")
        redis_proxy.release()

        wait_until_streaming(40, seconds=10)
        # The proxy delivers the reports that it held, older than the loss, before the first new one.
        wait_until(
            lambda: (
                {one.connection for one in list_reports() if one.statistics.lost_writes > before[one.connection]}
                == set(before)
            ),
            seconds=10,
            message="every connection reports lost writes",
        )
        assert count_opened_sockets(simulator) == openings


def test_nudges_are_received_again_after_redis_dropped_its_listeners(
    simulator: SimulatorAddress, tmp_path: Path, redis_proxy: Proxy
) -> None:
    make_subscriptions(simulator, count=10)
    with running_worker(tmp_path, name="feed", simulator=simulator, REDIS_URL=url_through(redis_proxy)):
        wait_until_streaming(10)

        redis_proxy.cut()
        redis_proxy.restore()
        make_subscriptions(simulator, count=10, skip=10)
        quote_board.connect().nudge()

        wait_until_streaming(20, seconds=10)
        assert list_subscribed_keys(simulator) == list_wanted_keys()
