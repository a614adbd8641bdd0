"""The cooldown of the account: one row closes the gate of every worker."""

import queue
import threading
from collections.abc import Iterator

import pytest
from django.db import connections
from django.utils import timezone

from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import GATE, Cooldown, connection_parameters
from subscriptions.models import FeedGate
from tests.integration.subscriptions.feed.lease_sessions import OpenSession
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True)]

REFUSED = Cooldown(60.0, closes_all=False, reason="429")
STOPPED = Cooldown(60.0, closes_all=True, reason="805")
NOWHERE = {"host": "127.0.0.1", "port": 1}


def left() -> float:
    until = FeedGate.objects.get().cooldown_until
    assert until is not None
    return (until - timezone.now()).total_seconds()


@pytest.fixture
def keeper() -> Iterator[tuple[LeaseKeeper, "queue.SimpleQueue[Cooldown | None]"]]:
    """Yield a lease keeper without connections and the queue of its cooldown reports."""
    reports: queue.SimpleQueue[Cooldown | None] = queue.SimpleQueue()
    parameters = connection_parameters(connections["default"].settings_dict)
    keeper = LeaseKeeper(
        parameters, owner="keeper", limit=0, on_change=lambda _leases: None, on_cooldown_change=reports.put
    )
    thread = threading.Thread(target=keeper.run)
    thread.start()
    yield keeper, reports
    keeper.stop()
    thread.join(10)


KeeperAndCooldowns = tuple[LeaseKeeper, "queue.SimpleQueue[Cooldown | None]"]


def test_each_refusal_in_a_row_doubles_the_cooldown_up_to_five_times(open_session: OpenSession) -> None:
    session = open_session("one")
    lengths = []
    for _ in range(5):
        FeedGate.objects.update(cooldown_until=None)
        session.start_cooldown(REFUSED, grows=True)
        lengths.append(round(left() / 60))

    assert lengths == [1, 2, 4, 5, 5]


def test_an_opened_socket_resets_the_growth_of_the_cooldown(open_session: OpenSession) -> None:
    session = open_session("one")
    session.start_cooldown(REFUSED, grows=True)
    session.start_cooldown(REFUSED, grows=True)
    FeedGate.objects.update(cooldown_until=None)

    session.note_opened()
    session.start_cooldown(REFUSED, grows=True)

    assert 55 < left() <= 60


def test_a_shorter_cooldown_neither_shortens_nor_lifts_a_stop(open_session: OpenSession) -> None:
    session = open_session("one")
    session.start_cooldown(STOPPED, grows=False)

    session.start_cooldown(Cooldown(5.0, closes_all=False, reason="429"), grows=True)

    assert left() > 50
    cooldown = session.read_cooldown()
    assert cooldown is not None
    assert cooldown.closes_all


def test_a_cooldown_creates_a_missing_gate_row(open_session: OpenSession) -> None:
    session = open_session("one")
    FeedGate.objects.all().delete()
    assert session.read_cooldown() is None

    session.start_cooldown(STOPPED, grows=False)

    assert FeedGate.objects.get().set_by == "one"


def test_the_cooldown_of_another_worker_is_reported_and_closes_the_gate(
    keeper: KeeperAndCooldowns, open_session: OpenSession
) -> None:
    one, reports = keeper
    assert one.try_gate().result(timeout=5)
    one.release_gate()

    open_session("another").start_cooldown(STOPPED, grows=False)

    assert not one.try_gate().result(timeout=5)
    wait_until(
        lambda: (report := reports.get(timeout=5)) is not None and report.closes_all,
        seconds=5,
        message="the cooldown is reported",
    )
    another = open_session("third")
    assert another.lock(GATE)  # No worker owns the gate during a cooldown.


def test_the_end_of_a_cooldown_opens_the_gate(keeper: KeeperAndCooldowns) -> None:
    one, _ = keeper
    one.start_cooldown(REFUSED)
    assert not one.try_gate().result(timeout=5)

    FeedGate.objects.update(cooldown_until=timezone.now())

    wait_until(lambda: one.try_gate().result(timeout=5), seconds=5, message="the gate is open")


def test_a_stop_that_could_not_be_recorded_outlasts_its_time() -> None:
    alone = LeaseKeeper(NOWHERE, owner="alone", limit=1, on_change=lambda _leases: None)
    thread = threading.Thread(target=alone.run)
    thread.start()
    assert alone.try_gate().result(timeout=5)

    alone.start_cooldown(Cooldown(0.1, closes_all=True, reason="805"))

    answers = [alone.try_gate().result(timeout=5) for _ in range(20)]
    alone.stop()
    thread.join(10)
    assert answers == [False] * 20
