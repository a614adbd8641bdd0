"""PostgreSQL and Redis failing under a running feed worker: the sockets stay, and all heals by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
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
from tests.simulators import SimulatorAddress
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]


@pytest.fixture
def redis_client() -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield client


def test_a_worker_cut_off_from_the_database_streams_on_under_its_epochs(
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


def test_a_redis_that_hangs_costs_frames_and_no_socket(
    simulator: SimulatorAddress, tmp_path: Path, redis_client: "redis.Redis"
) -> None:
    make_subscriptions(simulator, count=40)
    with running_worker(tmp_path, name="feed", simulator=simulator):
        wait_until_streaming(40)
        openings = count_opened_sockets(simulator)
        before = {one.connection: one.packets for one in list_reports()}

        redis_client.client_pause(1_500, all=True)

        wait_until(
            lambda: len(list_reports()) == 5 and all(one.packets > before[one.connection] for one in list_reports()),
            seconds=10,
            message="reports that go on",
        )
        wait_until_streaming(40, seconds=5)
        assert count_opened_sockets(simulator) == openings


def test_nudges_are_heard_again_after_redis_dropped_its_listeners(
    simulator: SimulatorAddress, tmp_path: Path, redis_client: "redis.Redis"
) -> None:
    make_subscriptions(simulator, count=10)
    with running_worker(tmp_path, name="feed", simulator=simulator):
        wait_until_streaming(10)

        def drop_everyone() -> None:
            for kind in ("pubsub", "normal"):
                redis_client.client_kill_filter(_type=kind, skipme=True)

        drop_everyone()
        make_subscriptions(simulator, count=10, skip=10)
        quote_board.connect().nudge()

        wait_until_streaming(20, seconds=10)
        assert list_subscribed_keys(simulator) == list_wanted_keys()
