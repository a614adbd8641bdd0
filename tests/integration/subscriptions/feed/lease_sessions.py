"""Operations on leases through database sessions of the test."""

from collections.abc import Callable

from subscriptions.feed.ownership.keeper import FROZEN_SECONDS
from subscriptions.feed.ownership.statements import Lease, LeaseStatements

OpenSession = Callable[[str], LeaseStatements]


def take(session: LeaseStatements, number: int) -> Lease | None:
    """Try to take a connection at its present epoch."""
    unowned = session.list_unowned(frozenset(), frozen_seconds=FROZEN_SECONDS)
    return session.take(next(one.lease for one in unowned if one.lease.connection == number))


def is_free(session: LeaseStatements, number: int) -> bool:
    """Return whether the lock of a connection is free; `session` takes it and releases it."""
    if not session.lock(number):
        return False
    session.unlock(number)
    return True
