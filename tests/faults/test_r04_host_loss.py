"""R4: an owner is silent and its socket may still be open: no other worker opens one until its process has ended."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.connections import epochs, states, wait_without_opening
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board", "settled_database")]

LONG = {"FROZEN_OWNER_S": "600", "FAILOVER_GRACE_S": "60"}


def test_r4_no_socket_is_opened_for_a_silent_owner_until_its_process_has_ended(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="one", simulator=simulator, FEED_CONNECTIONS="1", **LONG) as one:
            wait_until(lambda: states() == ["live"], seconds=START_SECONDS, message="one connection is live")
            with running_worker(tmp_path, name="five", simulator=simulator, **LONG):
                wait_until_streaming(40)
                before = epochs()
                os.kill(one.process.pid, signal.SIGSTOP)

                wait_without_opening(simulator, seconds=6)  # Twice the duration of a lease.
                assert epochs() == before

                one.kill()
                wait_until(lambda: epochs()[1] == before[1] + 1, seconds=5, message="connection 1 is taken over")
                wait_until_streaming(40, seconds=15)
                assert simulator.connections()["high_water"] == 5
