"""What tests of leases do with sessions of their own."""

from collections.abc import Callable

from subscriptions.feed.ownership.keeper import FROZEN_SECONDS
from subscriptions.feed.ownership.statements import Lease, LeaseSession

OpenSession = Callable[[str], LeaseSession]


def take(session: LeaseSession, number: int) -> Lease | None:
    """Try to take a connection as it stands."""
    unheld = session.list_unheld(frozenset(), frozen_seconds=FROZEN_SECONDS)
    return session.take(next(one.lease for one in unheld if one.lease.connection == number))


def is_free(session: LeaseSession, number: int) -> bool:
    """Say whether nobody holds the lock of a connection; `session` does not keep it."""
    if not session.lock(number):
        return False
    session.unlock(number)
    return True
