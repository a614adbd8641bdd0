"""R3: the supervisor ends a frozen feed worker, because no successor may open a socket while it exists."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.programs import Launcher, feed_worker
from devstack.signal_waiter import SignalWaiter
from devstack.supervisor import Supervisor
from subscriptions.models import FeedLease
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_broker_sockets,
    is_streaming,
    list_reports,
    list_subscribed_keys,
    list_wanted_keys,
    make_subscriptions,
    worker_environment,
)
from tests.own_servers import REPOSITORY
from tests.simulators import running_simulator
from tests.supervisors import wait_supervised

HEARTBEAT_SECONDS = 3.0


@pytest.mark.usefixtures("servers")
def test_r3_the_supervisor_ends_a_frozen_worker_and_its_successor_streams(tmp_path: Path) -> None:
    reports: list[str] = []
    supervisor = Supervisor(signals=SignalWaiter(), report=reports.append)
    with running_simulator() as simulator:
        make_subscriptions(simulator, count=20)
        program = feed_worker(Launcher(root=REPOSITORY, logs=tmp_path, environment=worker_environment(simulator)))
        assert program.arguments[0] == sys.executable
        try:
            frozen = supervisor.supervise(replace(program, heartbeat_seconds=HEARTBEAT_SECONDS))
            wait_supervised(supervisor, lambda: is_streaming(20), seconds=START_SECONDS)
            (owner,) = {one.owner for one in list_reports()}
            epochs = dict(FeedLease.objects.values_list("connection_id", "epoch"))

            os.kill(frozen.pid, signal.SIGSTOP)
            wait_supervised(supervisor, lambda: is_streaming(20, but_not=[owner]), seconds=START_SECONDS)

            assert reports[0] == "feed sent no heartbeat for 3 s"
            assert frozen.has_exited()
            assert dict(FeedLease.objects.values_list("connection_id", "epoch")) == {
                number: epoch + 1 for number, epoch in epochs.items()
            }
            assert list_subscribed_keys(simulator) == list_wanted_keys()
            assert count_broker_sockets(simulator) == 5
        finally:
            supervisor.stop_all()
