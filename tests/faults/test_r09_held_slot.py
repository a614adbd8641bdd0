"""R9: while the broker counts a lost socket, one fault stays one fault: the other connections stay open."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from subscriptions.models import FeedGate
from tests.faults.connections import is_all_carried, list_sockets, states
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_opened_sockets,
    list_reports,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import EVERYDAY_FAULTS, SimulatorAddress, running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

COUNT = 40
HELD_SECONDS = 6
GRACE_SECONDS = 1
# Scaled from 30 s and 5 s; the cooldown keeps its length, so that it cannot pass unnoticed.
SCALED = {"HELD_SLOT_S": str(HELD_SECONDS), "FAILOVER_GRACE_S": str(GRACE_SECONDS)}
# Promised in docs/operations.md.
FAILOVER_SECONDS = GRACE_SECONDS + 5.0


def wait_until_level(simulator: SimulatorAddress) -> None:
    """Wait until five connections are live and stream all instruments; for how long is no promise."""
    wait_until(
        lambda: states() == ["live"] * 5 and sum(one.streaming for one in list_reports()) == COUNT,
        seconds=START_SECONDS,
        message="five connections are live again",
    )
    assert is_all_carried(simulator)


def remember_held_slots() -> None:
    """Record that the broker held a slot today, as the worker that learned it did."""
    FeedGate.objects.update_or_create(id=1, defaults={"slots_held_until": timezone.now() + timedelta(hours=1)})


@contextmanager
def running_feed(directory: Path, *, held: float = HELD_SECONDS - 1) -> Iterator[SimulatorAddress]:
    """Yield a broker that holds slots for `held` seconds, with a worker whose connections all stream."""
    with running_simulator(rate=2_000, faults={**EVERYDAY_FAULTS, "old_slot_held": held}) as simulator:
        make_subscriptions(simulator, count=COUNT)
        with running_worker(directory, name="feed", simulator=simulator, **SCALED):
            wait_until_streaming(COUNT)
            yield simulator


def test_r9_an_805_after_a_reconnect_closes_no_other_connection_and_starts_no_cooldown(tmp_path: Path) -> None:
    with running_feed(tmp_path) as simulator:
        before = list_sockets(simulator)
        oldest, lost = min(before), max(before)

        simulator.set_fault("tcp_reset", 0, connection=5)

        # The reconnect is the sixth socket for the broker, which closes the oldest one.
        wait_until(lambda: oldest not in list_sockets(simulator), seconds=8, message="the broker closes the oldest")
        wait_until(lambda: is_all_carried(simulator), seconds=FAILOVER_SECONDS, message="failover carries all")
        assert before - {oldest, lost} < list_sockets(simulator)
        assert "held_slot" in {cause for one in list_reports() for cause in one.statistics.reconnects}
        wait_until_level(simulator)
        assert before - {oldest, lost} < list_sockets(simulator)
        gate = FeedGate.objects.get()
        assert gate.cooldown_until is None
        assert gate.slots_held_until is not None
        assert timezone.now() < gate.slots_held_until < timezone.now() + timedelta(days=1)
        assert simulator.connections()["high_water"] == 5


@pytest.mark.parametrize("fault", ["tcp_reset", "close_without_frame"])
def test_r9_later_that_day_a_lost_connection_waits_and_the_other_four_have_no_dark_moment(
    tmp_path: Path, fault: str
) -> None:
    with running_feed(tmp_path) as simulator:
        remember_held_slots()
        before = list_sockets(simulator)
        lost, openings = min(before), count_opened_sockets(simulator)

        simulator.set_fault(fault, 0, connection=1)

        wait_until(lambda: lost not in list_sockets(simulator), seconds=5, message="the socket is lost")
        began_at = time.monotonic()
        wait_until(lambda: is_all_carried(simulator), seconds=FAILOVER_SECONDS, message="failover carries all")
        assert count_opened_sockets(simulator) == openings
        wait_until(
            lambda: count_opened_sockets(simulator) > openings, seconds=START_SECONDS, message="it is opened again"
        )
        assert time.monotonic() - began_at > HELD_SECONDS
        wait_until_level(simulator)
        # The same four sockets all the time: none of them was closed, so none was dark.
        assert before - {lost} < list_sockets(simulator)
        assert count_opened_sockets(simulator) == openings + 1
        assert FeedGate.objects.get().cooldown_until is None


def test_r9_two_connections_that_are_lost_together_wait_while_the_others_carry_them(tmp_path: Path) -> None:
    with running_feed(tmp_path) as simulator:
        remember_held_slots()
        before = list_sockets(simulator)
        stay, openings = set(sorted(before)[:3]), count_opened_sockets(simulator)

        simulator.set_fault("tcp_reset", 0, connection=5)
        simulator.set_fault("tcp_reset", 0, connection=4)

        wait_until(lambda: list_sockets(simulator) == stay, seconds=5, message="two sockets are lost")
        wait_until(lambda: is_all_carried(simulator), seconds=FAILOVER_SECONDS, message="failover carries all")
        wait_until_level(simulator)
        assert stay < list_sockets(simulator)
        assert count_opened_sockets(simulator) == openings + 2


def test_r9_another_user_of_the_account_leads_to_the_cooldown_although_slots_are_held(tmp_path: Path) -> None:
    with running_feed(tmp_path) as simulator:
        remember_held_slots()

        # No connection was lost before: somebody else has opened a socket.
        simulator.set_fault("disconnect_code", 805, connection=1)

        wait_until(lambda: not list_sockets(simulator), seconds=5, message="all sockets are closed")
        assert FeedGate.objects.filter(closes_all=True, cooldown_until__gt=timezone.now()).exists()
