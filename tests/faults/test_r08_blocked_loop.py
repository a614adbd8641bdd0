"""R8: an owner suspended for two seconds keeps its sockets, reports the loop lag, and shows no price of before."""

import os
import signal
import time
from pathlib import Path

import pytest
import redis
from django.conf import settings

from marketdata.dhan.packets import IST_OFFSET_SECONDS
from marketdata.domain.quote_rows import Rows, decode_frame
from tests.faults.connections import epochs, states
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    list_reports,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

COUNT = 1_500
"""With the packets of 300 busy instruments a socket fills faster than one read empties it."""


def suspend(pid: int, *, seconds: float) -> None:
    """Suspend a process and wait for that long."""
    stopped_at = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: time.monotonic() - stopped_at > seconds, seconds=seconds + 5, message="the time has passed")


def read_next_rows(listener: redis.client.PubSub) -> Rows:
    """Return the rows of the next frame that has any."""
    received: list[Rows] = []

    def has_rows() -> bool:
        message = listener.get_message(timeout=1)
        if message is not None:
            received.append(decode_frame(message["data"]).rows)
        return any(map(len, received))

    wait_until(has_rows, seconds=10, message="a frame with rows")
    return received[-1]


def test_r8_a_suspension_of_two_seconds_closes_no_socket(tmp_path: Path) -> None:
    with running_simulator(rate=2_000, ping_every=0.25) as simulator:
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator) as worker:
            wait_until_streaming(40)
            openings, before = count_opened_sockets(simulator), epochs()

            suspend(worker.process.pid, seconds=2)
            os.kill(worker.process.pid, signal.SIGCONT)

            wait_until(
                lambda: any(one.statistics.loop_lag.total > 1.5 for one in list_reports()),
                seconds=10,
                message="the loop lag is reported",
            )
            wait_until_streaming(40, seconds=10)
            assert (states(), epochs()) == (["live"] * 5, before)
            assert count_opened_sockets(simulator) == openings


def test_r8_the_first_frames_after_a_suspension_have_the_prices_that_came_meanwhile(tmp_path: Path) -> None:
    with running_simulator(rate=20_000) as simulator:
        make_subscriptions(simulator, count=COUNT)
        with (
            running_worker(tmp_path, name="feed", simulator=simulator) as worker,
            redis.Redis.from_url(settings.REDIS_URL) as client,
            client.pubsub(ignore_subscribe_messages=True) as listener,
        ):
            wait_until_streaming(COUNT)
            listener.subscribe(f"{settings.REDIS_PREFIX}:frames:1")
            read_next_rows(listener)

            suspended_at = time.time()
            suspend(worker.process.pid, seconds=3)
            # Frames of before: a timeout of 0 would end at one that has arrived in part.
            while listener.get_message(timeout=0.5) is not None:
                pass
            continued_at = time.time()
            os.kill(worker.process.pid, signal.SIGCONT)

            # Trade times are whole seconds, rounded down: a price of before the suspension has an earlier one. How much
            # of what came meanwhile the first frame has is the choice of the operating system.
            wait_until(
                lambda: read_next_rows(listener)["ltt"].max() - IST_OFFSET_SECONDS > suspended_at,
                seconds=1,
                message="a frame has prices of the suspension",
            )
            # It holds back what its buffers had no room for.
            wait_until(
                lambda: read_next_rows(listener)["ltt"].max() - IST_OFFSET_SECONDS >= continued_at - 1,
                seconds=5,
                message="a frame has prices of now",
            )
