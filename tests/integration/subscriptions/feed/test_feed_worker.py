"""A feed worker as a real process, against the simulator, PostgreSQL and Redis."""

import os
import signal
import time
from pathlib import Path

import pytest
import redis
from django.conf import settings
from websockets.sync.client import connect

from marketdata import quote_board
from marketdata.domain.quote_rows import BusFrame, FrameKind, Known, decode_frame
from subscriptions.loop_step import EXIT_BROKEN
from subscriptions.models import FeedConnection, FeedLease, Subscription
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_broker_sockets,
    count_opened_sockets,
    database_url,
    list_reports,
    list_subscribed_keys,
    list_wanted_keys,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]


def read_frames(*, connection: int, count: int, requests_full: bool = False) -> list[BusFrame]:
    """Receive `count` frames of a connection; with `requests_full`, request a full frame after joining."""
    frames: list[BusFrame] = []
    with redis.Redis.from_url(settings.REDIS_URL) as client, client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(f"{settings.REDIS_PREFIX}:frames:{connection}")
        listener.get_message(timeout=5)
        if requests_full:
            client.publish(f"{settings.REDIS_PREFIX}:full_frame_requests", str(connection))

        def read_next() -> bool:
            message = listener.get_message(timeout=1)
            if message is not None:
                frames.append(decode_frame(message["data"]))
            return len(frames) == count

        wait_until(read_next, seconds=20, message=f"{count} frames")
    return frames


def test_every_subscription_streams_and_its_quotes_reach_the_board_in_frames(
    simulator: SimulatorAddress, tmp_path: Path
) -> None:
    subscriptions = make_subscriptions(simulator, count=40)

    with running_worker(tmp_path, name="feed", simulator=simulator):
        wait_until_streaming(40)

        assert list_subscribed_keys(simulator) == list_wanted_keys()
        assert [one.sent for one in list_reports()] == [8, 8, 8, 8, 8]
        ids = [one.instrument_id for one in subscriptions]
        board = quote_board.connect()
        wait_until(lambda: len(board.read_cached(ids)) == 40, seconds=5, message="all rows cached")
        assert {int(row["known"]) & Known.TRADE for _, row in board.read_cached(ids).values()} == {Known.TRADE}
        assert set(FeedConnection.objects.values_list("state", "load")) == {("live", 8)}
        frames = read_frames(connection=2, count=5)
        assert {frame.kind for frame in frames} == {FrameKind.CHANGES}
        assert [frame.sequence - frames[0].sequence for frame in frames] == [0, 1, 2, 3, 4]
        assert {frame.epoch for frame in frames} == {FeedLease.objects.get(connection_id=2).epoch}
        assert_a_request_is_answered_with_one_full_frame_at_the_last_sequence()


def assert_a_request_is_answered_with_one_full_frame_at_the_last_sequence() -> None:
    frames = read_frames(connection=3, count=10, requests_full=True)

    full = [number for number, frame in enumerate(frames) if frame.kind is FrameKind.FULL]
    assert len(full) == 1
    assert len(frames[full[0]].rows) == 8
    assert frames[full[0] + 1].sequence == frames[full[0]].sequence + 1


def test_additions_and_deletions_are_applied_after_a_nudge_and_else_by_the_next_beat(
    simulator: SimulatorAddress, tmp_path: Path
) -> None:
    make_subscriptions(simulator, count=40)
    with running_worker(tmp_path, name="feed", simulator=simulator):
        wait_until_streaming(40)
        board = quote_board.connect()

        added = make_subscriptions(simulator, count=50, skip=40)
        board.nudge()

        took = wait_until(
            lambda: len(list_subscribed_keys(simulator)) == 90, seconds=5, message="90 subscribed at the broker"
        )
        assert took < 2.0
        wait_until_streaming(90, seconds=10)
        assert list_subscribed_keys(simulator) == list_wanted_keys()

        ids = [one.instrument_id for one in added]
        wait_until(lambda: len(board.read_cached(ids)) == 50, seconds=5, message="added rows cached")
        Subscription.objects.filter(instrument_id__in=ids).delete()
        board.nudge()

        wait_until(lambda: len(list_subscribed_keys(simulator)) == 40, seconds=5, message="40 subscribed at the broker")
        assert list_subscribed_keys(simulator) == list_wanted_keys()
        wait_until(lambda: not board.read_cached(ids), seconds=5, message="released rows deleted")

        Subscription.objects.filter(connection_id=1).delete()  # Without a nudge.

        wait_until(
            lambda: list_subscribed_keys(simulator) == list_wanted_keys(),
            seconds=8,
            message="the wanted set is subscribed at the broker",
        )


@pytest.mark.usefixtures("settled_database")
def test_a_spare_worker_takes_over_from_a_killed_worker(simulator: SimulatorAddress, tmp_path: Path) -> None:
    make_subscriptions(simulator, count=40)
    with running_worker(tmp_path, name="first", simulator=simulator) as first:
        wait_until_streaming(40)
        epochs = dict(FeedLease.objects.values_list("connection_id", "epoch"))
        (owner,) = {one.owner for one in list_reports()}
        with running_worker(tmp_path, name="spare", simulator=simulator) as spare:
            wait_until(
                lambda: b" ready." in spare.log.read_bytes(), seconds=START_SECONDS, message="the spare is ready"
            )

            first.kill()

            took = wait_until_streaming(40, seconds=15, but_not=[owner])
            assert took < 5.0
            assert dict(FeedLease.objects.values_list("connection_id", "epoch")) == {
                number: epoch + 1 for number, epoch in epochs.items()
            }
            assert list_subscribed_keys(simulator) == list_wanted_keys()
            assert count_broker_sockets(simulator) == 5


def test_a_warm_shutdown_is_fast_and_releases_all_leases(simulator: SimulatorAddress, tmp_path: Path) -> None:
    make_subscriptions(simulator, count=10)
    with running_worker(tmp_path, name="feed", simulator=simulator) as worker:
        wait_until_streaming(10)
        wait_until(lambda: b" ready." in worker.log.read_bytes(), seconds=START_SECONDS, message="the worker is ready")

        started_at = time.monotonic()
        code = worker.stop()
        took = time.monotonic() - started_at

    assert code == 0
    assert took < 3.0
    assert "Traceback" not in worker.log.read_text()
    assert list_reports() == []
    assert count_broker_sockets(simulator) == 0
    assert set(FeedLease.objects.values_list("owner", "expires_at")) == {("", None)}
    assert set(FeedConnection.objects.values_list("state", flat=True)) == {"wanted"}


def test_the_whole_plan_is_sent_again_to_a_restarted_broker(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as broker:
        make_subscriptions(broker, count=40)
        with running_worker(tmp_path, name="feed", simulator=broker):
            wait_until_streaming(40)
            epochs = dict(FeedLease.objects.values_list("connection_id", "epoch"))
            port, rest_port = (int(url.split(":")[2].split("/")[0]) for url in (broker.feed_url, broker.rest_url))

            os.kill(broker.process_id, signal.SIGKILL)
            wait_until(
                lambda: {one.state for one in list_reports()} == {"reconnecting"},
                seconds=5,
                message="the loss is reported",
            )
            with running_simulator(rate=2_000, port=port, rest_port=rest_port) as again:
                wait_until_streaming(40, seconds=20)

                assert list_subscribed_keys(again) == list_wanted_keys()
            assert dict(FeedLease.objects.values_list("connection_id", "epoch")) == epochs


def test_a_socket_is_closed_when_another_owner_has_the_lease(simulator: SimulatorAddress, tmp_path: Path) -> None:
    make_subscriptions(simulator, count=10)
    with running_worker(tmp_path, name="feed", simulator=simulator):
        wait_until_streaming(10)
        epoch = FeedLease.objects.get(connection_id=4).epoch

        # The row shows another owner; its lock is free for the next owner.
        FeedLease.objects.filter(connection_id=4).update(epoch=epoch + 1, owner="")

        wait_until(
            lambda: any(one.connection == 4 and one.epoch == epoch + 2 for one in list_reports()),
            seconds=10,
            message="connection 4 under a new epoch",
        )
        wait_until_streaming(10, seconds=10)
        assert count_broker_sockets(simulator) == 5


def test_a_feed_worker_that_fails_ends_its_process(simulator: SimulatorAddress, tmp_path: Path) -> None:
    address = database_url(database="postgres")  # A database without the project's tables.

    with running_worker(tmp_path, name="feed", simulator=simulator, DATABASE_URL=address) as worker:
        code = worker.process.wait(START_SECONDS)

    assert code == EXIT_BROKEN
    assert b"the feed worker failed" in worker.log.read_bytes()


def test_a_worker_takes_no_more_connections_than_its_limit(simulator: SimulatorAddress, tmp_path: Path) -> None:
    make_subscriptions(simulator, count=10)

    with running_worker(tmp_path, name="feed", simulator=simulator, FEED_CONNECTIONS="2"):
        wait_until(lambda: len(list_reports()) == 2, seconds=START_SECONDS, message="two connections reported")

        assert [one.connection for one in list_reports()] == [1, 2]
        assert FeedLease.objects.exclude(owner="").count() == 2


def test_a_worker_of_another_queue_owns_no_connection(simulator: SimulatorAddress, tmp_path: Path) -> None:
    with running_worker(tmp_path, name="work", simulator=simulator, queue="default") as worker:
        wait_until(lambda: b" ready." in worker.log.read_bytes(), seconds=START_SECONDS, message="the worker is ready")

        assert FeedLease.objects.exclude(owner="").count() == 0


def test_connections_without_credentials_wait_and_report_the_reason(
    simulator: SimulatorAddress, tmp_path: Path
) -> None:
    with running_worker(tmp_path, name="feed", simulator=simulator, DHAN_CLIENT_ID="", DHAN_ACCESS_TOKEN=""):
        wait_until(
            lambda: [(one.state, one.last_error) for one in list_reports()] == [("waiting", "no credentials")] * 5,
            seconds=START_SECONDS,
            message="five waiting connections",
        )

        assert count_broker_sockets(simulator) == 0


def test_a_drop_for_a_sixth_connection_closes_all_connections_for_the_cooldown(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as broker:
        make_subscriptions(broker, count=10)
        with running_worker(tmp_path, name="feed", simulator=broker, QUIET_SECONDS="3"):
            wait_until_streaming(10)
            query = f"version=2&token={broker.access_token}&clientId={broker.client_id}&authType=2"

            with connect(f"{broker.feed_url}/?{query}"):
                wait_until(
                    lambda: (
                        [(one.state, one.last_error) for one in list_reports()]
                        == [("reconnecting", "805: too many requests or connections")] * 5
                    ),
                    seconds=5,
                    message="all connections in cooldown with 805",
                )

                wait_until(
                    lambda: count_broker_sockets(broker) == 1, seconds=1, message="only the sixth socket is left"
                )
                assert count_opened_sockets(broker) == 6
            wait_until_streaming(10, seconds=10)
            assert count_opened_sockets(broker) == 11


def test_a_wrong_token_is_reported_without_the_token(simulator: SimulatorAddress, tmp_path: Path) -> None:
    make_subscriptions(simulator, count=10)
    with running_worker(tmp_path, name="feed", simulator=simulator, DHAN_ACCESS_TOKEN="canary-token") as worker:
        wait_until(
            lambda: len(list_reports()) == 5 and all(one.last_error for one in list_reports()),
            seconds=START_SECONDS,
            message="a reason on every connection",
        )

        assert {one.state for one in list_reports()} <= {"stopped", "waiting", "reconnecting", "opening"}
        assert b"canary" not in worker.log.read_bytes()
        assert "canary" not in repr(list_reports())
