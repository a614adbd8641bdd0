"""The model of the feed and real feed workers on one schedule of faults: the same owners and sockets after each step.

The processes, their sockets to the simulator, PostgreSQL and Redis are real. Times are scaled as in `failovers`.
"""

import os
import random
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from subscriptions.domain.ownership import ProcessStatus
from subscriptions.models import FeedLease
from tests.faults import feed_model
from tests.faults.failovers import PONG_WITHIN, SCALED, end_session_of, is_ready
from tests.faults.model_server import CONNECTIONS, Clock, ModelServer
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    Worker,
    count_broker_sockets,
    make_subscriptions,
    running_worker,
)
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until

SETTLE_SECONDS = 40.0
"""Limit for one step of either side; the longest, a takeover from a frozen owner, takes about 10 s."""
# At each step at most one running worker has room for more connections, so that only one outcome is possible.
SCHEDULE = (
    ("start", "a", 3),
    ("start", "b", 5),
    ("kill", "a", 0),
    ("start", "c", 5),
    ("cut", "b", 0),
    ("freeze", "b", 0),
    ("thaw", "b", 0),
    ("stop", "c", 0),
    ("kill", "b", 0),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The owner of each lease, empty if none, and the number of open sockets at the broker."""

    owners: Mapping[int, str]
    sockets: int


class ModelFeed:
    """The model, on a simulated clock."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._server = ModelServer(self._clock, self._process_status)
        self._broker = feed_model.ModelBroker(self._clock)
        self._workers: dict[str, feed_model.Worker] = {}

    def do(self, act: str, label: str, limit: int) -> None:
        if act == "start":
            self._workers[label] = feed_model.Worker(
                label,
                self._server,
                self._broker,
                random.Random(label),
                limit=limit,
                process_status=self._process_status,
                frozen_seconds=float(SCALED["FROZEN_OWNER_S"]),
                silent_seconds=PONG_WITHIN,
            )
        else:
            worker = self._workers[label]
            acts: Mapping[str, Callable[[], None]] = {
                "kill": worker.kill,
                "cut": worker.cut_off,
                "freeze": worker.freeze,
                "thaw": worker.thaw,
                "stop": worker.stop,
            }
            acts[act]()
        self._clock.run(SETTLE_SECONDS)

    def read(self) -> Outcome:
        owners = {number: row.owner for number, row in self._server.rows.items()}
        return Outcome(owners, len(self._broker.sockets))

    def high_water(self) -> int:
        return self._broker.high_water

    def _process_status(self, name: str) -> ProcessStatus:
        return ProcessStatus.RUNNING if self._workers[name].is_alive else ProcessStatus.GONE


@dataclass
class RealFeed:
    """Real feed workers, each in a separate process."""

    simulator: SimulatorAddress
    directory: Path
    stack: ExitStack
    workers: dict[str, Worker] = field(default_factory=dict)

    def do(self, act: str, label: str, limit: int) -> None:
        if act == "start":
            worker = self.stack.enter_context(
                running_worker(
                    self.directory, name=label, simulator=self.simulator, FEED_CONNECTIONS=str(limit), **SCALED
                )
            )
            self.workers[label] = worker
            wait_until(lambda: is_ready(worker), seconds=START_SECONDS, message="the worker is ready")
            return
        process = self.workers[label].process
        match act:
            case "kill":
                self.workers[label].kill()
            case "cut":
                end_session_of(next(name for name in self._names() if f":{process.pid}:" in name))
            case "freeze":
                os.kill(process.pid, signal.SIGSTOP)
            case "thaw":
                os.kill(process.pid, signal.SIGCONT)
            case _:
                assert self.workers[label].stop() == 0

    def read(self) -> Outcome:
        labels = {str(worker.process.pid): label for label, worker in self.workers.items()}
        rows = FeedLease.objects.values_list("connection_id", "owner")
        owners = {number: labels[name.split(":")[1]] if name else "" for number, name in rows}
        return Outcome(dict(sorted(owners.items())), count_broker_sockets(self.simulator))

    def _names(self) -> list[str]:
        return list(FeedLease.objects.exclude(owner="").values_list("owner", flat=True))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_board", "settled_database")
def test_the_model_and_real_workers_agree_after_every_fault(tmp_path: Path) -> None:
    with running_simulator(rate=2_000, ping_every=0.5, pong_within=PONG_WITHIN) as simulator, ExitStack() as stack:
        make_subscriptions(simulator, count=CONNECTIONS)
        model, real = ModelFeed(), RealFeed(simulator, tmp_path, stack)

        for act, label, limit in SCHEDULE:
            model.do(act, label, limit)
            real.do(act, label, limit)

            expected = model.read()
            wait_until(
                lambda: real.read() == expected,  # noqa: B023  Called within the iteration.
                seconds=SETTLE_SECONDS,
                message=f"after {act} {label} the real feed shows {expected}",
            )
            assert model.high_water() <= CONNECTIONS
            assert simulator.connections()["high_water"] <= CONNECTIONS


def test_the_schedule_has_every_kind_of_outcome() -> None:
    model, sockets, owners = ModelFeed(), set(), set()

    for step in SCHEDULE:
        model.do(*step)
        sockets.add(model.read().sockets)
        owners |= set(model.read().owners.values())

    assert sockets == {0, 3, CONNECTIONS}
    assert owners == {"", "a", "b", "c"}
