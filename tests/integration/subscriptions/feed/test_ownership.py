"""Leases and locks in PostgreSQL with several sessions."""

import queue
import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from django.db import connections
from django.utils import timezone

from subscriptions.domain.ownership import LeaseState, ProcessStatus
from subscriptions.feed.ownership.keeper import LeaseKeeper
from subscriptions.feed.ownership.statements import Lease, LeaseStatements, UnownedLease, connection_parameters
from subscriptions.models import FeedLease
from tests.integration.subscriptions.feed.lease_sessions import OpenSession, is_free, take
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("settled_database")]


def test_a_connection_has_one_owner_and_each_change_of_owner_raises_the_epoch(open_session: OpenSession) -> None:
    first, second = open_session("first"), open_session("second")

    assert take(first, 3) == Lease(3, 1)
    assert take(second, 3) is None
    first.close()
    wait_until(lambda: take(second, 3) == Lease(3, 2), seconds=5, message="the second owner takes over")

    assert FeedLease.objects.get(connection_id=3).owner == "second"


def test_a_released_connection_is_free_at_once(open_session: OpenSession) -> None:
    first, second = open_session("first"), open_session("second")
    lease = take(first, 1)
    assert lease is not None

    first.release(lease)

    assert take(second, 1) == Lease(1, 2)


def test_an_outdated_epoch_takes_nothing_and_leaves_no_lock(open_session: OpenSession) -> None:
    first, second = open_session("first"), open_session("second")
    FeedLease.objects.filter(connection_id=2).update(epoch=7)

    assert first.take(Lease(2, 6)) is None

    assert take(second, 2) == Lease(2, 8)


def test_unowned_leases_have_their_owner_and_state(open_session: OpenSession) -> None:
    first, second = open_session("first"), open_session("second")
    for number in (1, 2, 3):
        take(first, number)
    FeedLease.objects.filter(connection_id=2).update(expires_at=timezone.now() - timedelta(seconds=6))
    FeedLease.objects.filter(connection_id=3).update(expires_at=timezone.now() - timedelta(days=1))

    seen = {one.lease.connection: one for one in second.list_unowned(frozenset({Lease(5, 0)}), frozen_seconds=5)}

    assert seen == {
        1: UnownedLease(Lease(1, 1), "first", LeaseState.CURRENT),
        2: UnownedLease(Lease(2, 1), "first", LeaseState.SILENT),
        3: UnownedLease(Lease(3, 1), "first", LeaseState.SILENT),
        4: UnownedLease(Lease(4, 0), "", LeaseState.VACANT),
    }
    assert all(one.state is LeaseState.VACANT for one in first.list_unowned(frozenset(), frozen_seconds=5))


def test_a_connection_with_a_free_lock_is_not_taken_while_its_owners_process_runs(
    open_session: OpenSession,
) -> None:
    former = open_session("former")
    take(former, 1)
    FeedLease.objects.exclude(connection_id=1).delete()
    former.close()
    changes: queue.SimpleQueue[frozenset[Lease]] = queue.SimpleQueue()
    statuses = iter([ProcessStatus.RUNNING, ProcessStatus.RUNNING, ProcessStatus.GONE])
    parameters = connection_parameters(connections["default"].settings_dict)

    keeper = LeaseKeeper(
        parameters, owner="keeper", limit=1, on_change=changes.put, process_status=lambda _name: next(statuses)
    )
    thread = threading.Thread(target=keeper.run)
    thread.start()

    assert changes.get(timeout=5) == frozenset({Lease(1, 2)})
    assert next(statuses, None) is None
    keeper.stop()
    thread.join(10)


def test_only_leases_of_the_same_owner_and_epoch_are_renewed(open_session: OpenSession) -> None:
    session = open_session("first")
    held = frozenset(lease for number in (1, 2, 3) if (lease := take(session, number)) is not None)
    FeedLease.objects.filter(connection_id=1).update(epoch=9)
    FeedLease.objects.filter(connection_id=2).update(owner="second")

    assert session.renew(held) == frozenset({Lease(3, 1)})


def test_one_worker_at_a_time_owns_the_gate(open_session: OpenSession) -> None:
    first, second = open_session("first"), open_session("second")

    assert first.lock(0)
    assert not second.lock(0)
    first.unlock(0)
    assert second.lock(0)


@pytest.fixture
def keeper() -> Iterator[tuple[LeaseKeeper, "queue.SimpleQueue[frozenset[Lease]]"]]:
    """Yield a lease keeper in its thread and the queue of the leases that it reports."""
    changes: queue.SimpleQueue[frozenset[Lease]] = queue.SimpleQueue()
    parameters = connection_parameters(connections["default"].settings_dict)
    keeper = LeaseKeeper(parameters, owner="keeper", limit=2, on_change=changes.put)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    yield keeper, changes
    keeper.stop()
    thread.join(10)
    assert not thread.is_alive()


KeeperAndLeases = tuple[LeaseKeeper, "queue.SimpleQueue[frozenset[Lease]]"]


def end_sessions_of(owner: str) -> int:
    """End the database sessions of a worker; return their number."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s",
            [f"lease {owner}"],
        )
        return int(cursor.fetchone()[0])


def test_a_keeper_takes_up_to_its_limit_and_releases_on_stop(keeper: KeeperAndLeases) -> None:
    _, changes = keeper
    changes.get(timeout=5)

    assert changes.get(timeout=5) == frozenset({Lease(1, 1), Lease(2, 1)})

    keeper[0].stop()
    assert changes.get(timeout=5) == frozenset()
    wait_until(lambda: not FeedLease.objects.exclude(owner="").exists(), seconds=5, message="leases released")


def test_a_keeper_cut_off_from_the_database_keeps_its_epoch_and_acquires_its_locks_again(
    keeper: KeeperAndLeases, open_session: OpenSession
) -> None:
    _, changes = keeper
    changes.get(timeout=5)
    changes.get(timeout=5)

    assert end_sessions_of("keeper") == 1

    other = open_session("other")
    wait_until(lambda: not is_free(other, 1), seconds=5, message="the lock is owned again")
    assert changes.empty()
    assert dict(FeedLease.objects.filter(owner="keeper").values_list("connection_id", "epoch")) == {1: 1, 2: 1}


def test_a_keeper_releases_a_connection_that_another_has_taken(
    keeper: KeeperAndLeases, open_session: OpenSession
) -> None:
    _, changes = keeper
    changes.get(timeout=5)
    changes.get(timeout=5)
    other = open_session("other")

    end_sessions_of("keeper")
    wait_until(lambda: take(other, 1) is not None, seconds=0.9, message="another takes connection 1")

    assert Lease(1, 1) not in changes.get(timeout=5)
    assert FeedLease.objects.get(connection_id=1).owner == "other"


def test_the_gate_is_open_while_the_database_is_unreachable() -> None:
    keeper = LeaseKeeper({"host": "127.0.0.1", "port": 1}, owner="alone", limit=1, on_change=lambda _leases: None)
    thread = threading.Thread(target=keeper.run)
    thread.start()

    granted = keeper.try_gate().result(timeout=5)

    keeper.stop()
    thread.join(10)
    assert granted
    with pytest.raises(psycopg.OperationalError):
        LeaseStatements({"host": "127.0.0.1", "port": 1}, "alone")


def test_leases_are_confirmed_without_a_database_only_while_the_thread_runs() -> None:
    nowhere = {"host": "127.0.0.1", "port": 1}
    alone = LeaseKeeper(nowhere, owner="alone", limit=1, on_change=lambda _leases: None)
    stopped = LeaseKeeper(nowhere, owner="stopped", limit=1, on_change=lambda _leases: None)
    thread = threading.Thread(target=alone.run)
    thread.start()
    assert stopped.is_confirmed()

    wait_until(
        lambda: not stopped.is_confirmed(), seconds=5, message="a keeper without a running thread is not confirmed"
    )

    assert alone.is_confirmed()
    alone.stop()
    thread.join(10)
