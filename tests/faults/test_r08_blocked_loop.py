"""R8: an owner suspended for two seconds keeps its sockets and connections, and reports the loop lag."""

import os
import signal
import time
from pathlib import Path

import pytest

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


def test_r8_a_suspension_of_two_seconds_closes_no_socket(tmp_path: Path) -> None:
    with running_simulator(rate=2_000, ping_every=0.25) as simulator:
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator) as worker:
            wait_until_streaming(40)
            openings, before = count_opened_sockets(simulator), epochs()
            stopped_at = time.monotonic()

            os.kill(worker.process.pid, signal.SIGSTOP)
            wait_until(lambda: time.monotonic() - stopped_at > 2, seconds=5, message="two seconds have passed")
            os.kill(worker.process.pid, signal.SIGCONT)

            wait_until(
                lambda: any(one.statistics.loop_lag.total > 1.5 for one in list_reports()),
                seconds=10,
                message="the loop lag is reported",
            )
            wait_until_streaming(40, seconds=10)
            assert (states(), epochs()) == (["live"] * 5, before)
            assert count_opened_sockets(simulator) == openings
