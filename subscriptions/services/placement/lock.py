"""The placement lock: one PostgreSQL advisory lock for all writers of claims and subscriptions.

Every writer acquires it first, so writers queue in order instead of deadlocking (measured fairer and faster with 64
writers than row locks alone). The wait is bounded. The lock is released with the outermost transaction. Broker calls
come before the lock, never inside it: a slow broker must not block other writers.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import psycopg.errors
from django.conf import settings
from django.db import OperationalError, connection, transaction

from marketdata import quote_board
from marketdata.domain.errors import DomainError

logger = logging.getLogger(__name__)

PLACEMENT_LOCK: Final = 7_265_001  # chosen: any number that no other advisory lock of this database has


class PlacementBusy(DomainError):
    """The lock was not free in time; nothing was changed, and the same request may be sent again."""

    code = "placement_busy"


@contextmanager
def placement(*, now: datetime) -> Iterator[None]:
    """Run one transaction under the placement lock; nests in the caller's transaction. Raises PlacementBusy."""
    try:
        with transaction.atomic():
            _acquire(now)
            yield
    except OperationalError as error:
        too_slow = psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected
        if isinstance(error.__cause__, too_slow):
            raise PlacementBusy("Too many changes at once; nothing was changed. Try again in a moment.") from error
        raise


def _acquire(now: datetime) -> None:
    timeout = settings.STATEMENT_TIMEOUT_MS
    with connection.cursor() as cursor:
        # The wait for the lock ends at 5/6 of the statement timeout (chosen), so a writer that acquires it at the last
        # moment has a sixth left for its own statements. The partition of the audit log is created here if the
        # monthly task has not done so: no action fails because a partition is missing.
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true), "
            "pg_advisory_xact_lock(%s), subscription_log_make_month(%s)",
            [f"{timeout}ms", f"{timeout * 5 // 6}ms", PLACEMENT_LOCK, now],
        )


def try_lock() -> bool:
    """Take the placement lock for the rest of this transaction if it is free; return whether it was."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [PLACEMENT_LOCK])
        return bool(cursor.fetchone()[0])


def nudge_owners_on_commit() -> None:
    """Nudge the owners of connections after the commit. A lost nudge costs one beat: owners poll PostgreSQL as well."""
    transaction.on_commit(_nudge_owners)


def _nudge_owners() -> None:
    try:
        quote_board.connect().nudge()
    except quote_board.BoardError as error:
        logger.warning("nudge to connection owners failed, they will see the change at their next beat: %s", error)
