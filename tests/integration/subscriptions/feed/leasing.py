"""What tests of leases do with sessions of their own."""

from collections.abc import Callable

from subscriptions.feed.leases import Lease, LeaseSession

OpenSession = Callable[[str], LeaseSession]


def take(session: LeaseSession, number: int) -> Lease | None:
    """Try to take a connection as it stands."""
    seen = next(one for one in session.list_free(frozenset()) if one.connection == number)
    return session.take(seen)


def is_free(session: LeaseSession, number: int) -> bool:
    """Say whether nobody holds the lock of a connection; `session` does not keep it."""
    if not session.lock(number):
        return False
    session.unlock(number)
    return True
