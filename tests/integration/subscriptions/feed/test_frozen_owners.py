"""Frozen owners: the conditions under which their database sessions are ended."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from subscriptions.feed.ownership.statements import Lease, LeaseStatements
from subscriptions.models import FeedLease
from tests.integration.subscriptions.feed.lease_sessions import OpenSession, take
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("settled_database")]


FROZEN_SECONDS = 5
"""Short, because the server has just started and cannot measure a longer silence."""


def expire(number: int, *, seconds: float) -> None:
    FeedLease.objects.filter(connection_id=number).update(expires_at=timezone.now() - timedelta(seconds=seconds))


def is_alive(session: LeaseStatements) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [f"lease {session.owner}"])
        return bool(cursor.fetchone()[0])


def test_the_session_of_a_frozen_owner_is_ended_and_its_connection_taken(open_session: OpenSession) -> None:
    frozen, other = open_session("frozen"), open_session("other")
    assert take(frozen, 3) == Lease(3, 1)
    expire(3, seconds=FROZEN_SECONDS + 1)

    assert other.end_frozen(Lease(3, 1), after_seconds=FROZEN_SECONDS) == "frozen"

    wait_until(lambda: take(other, 3) == Lease(3, 2), seconds=5, message="the other owner takes over")
    assert not is_alive(frozen)


@pytest.mark.parametrize(
    ("expired", "epoch", "why"),
    [
        (FROZEN_SECONDS - 1, 1, "its socket may still be open"),
        (FROZEN_SECONDS + 1, 0, "the lease has moved on"),
        (-2, 1, "it is alive"),
    ],
)
def test_no_other_session_is_ended(open_session: OpenSession, expired: float, epoch: int, why: str) -> None:
    owner, other = open_session("owner"), open_session("other")
    take(owner, 3)
    expire(3, seconds=expired)

    assert other.end_frozen(Lease(3, epoch), after_seconds=FROZEN_SECONDS) is None, why

    assert is_alive(owner)


def test_a_lease_that_expired_while_the_server_was_down_ends_no_session(open_session: OpenSession) -> None:
    owner, other = open_session("owner"), open_session("other")
    take(owner, 3)
    expire(3, seconds=86_400)

    assert other.end_frozen(Lease(3, 1), after_seconds=3_600) is None

    assert is_alive(owner)


def test_a_session_with_the_lock_under_another_name_is_not_ended(open_session: OpenSession) -> None:
    owner, third, other = open_session("owner"), open_session("third"), open_session("other")
    take(owner, 3)
    expire(3, seconds=100)
    owner.close()
    wait_until(lambda: third.lock(3), seconds=5, message="another session has the lock")

    assert other.end_frozen(Lease(3, 1), after_seconds=FROZEN_SECONDS) is None

    assert is_alive(third)


def test_ending_the_session_of_one_owner_ends_no_other_session(open_session: OpenSession) -> None:
    frozen, healthy, other = open_session("frozen"), open_session("healthy"), open_session("other")
    take(frozen, 3)
    take(healthy, 4)
    expire(3, seconds=100)

    assert other.end_frozen(Lease(3, 1), after_seconds=FROZEN_SECONDS) == "frozen"

    wait_until(lambda: not is_alive(frozen), seconds=5, message="the frozen session has ended")
    assert healthy.renew(frozenset({Lease(4, 1)})) == frozenset({Lease(4, 1)})


def test_a_lease_taken_from_another_owner_is_inherited_and_a_released_one_is_not(open_session: OpenSession) -> None:
    first, second = open_session("first"), open_session("second")
    released = take(first, 1)
    assert released is not None
    first.release(released)
    take(first, 2)
    first.close()

    taken = take(second, 1)
    assert taken is not None
    assert not taken.is_inherited
    wait_until(lambda: second.lock(2), seconds=5, message="the lock is free")
    inherited = take(second, 2)
    assert inherited is not None
    assert inherited.is_inherited
