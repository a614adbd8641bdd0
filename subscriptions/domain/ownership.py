"""The rules of ownership as one table: lock, lease and process of a connection's owner -> the permitted action.

docs/architecture.md shows this table (a test compares the two), docs/decisions/0010-frozen-owners.md gives the reasons.
The broker closes sockets of an account that opens a sixth, so no rule opens one beside a socket that can still be open.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class LockState(StrEnum):
    """The advisory lock of a connection, as the worker that decides finds it."""

    FREE = "free"
    """No other database session owns it."""
    TAKEN = "taken"
    """Another database session owns it."""


class LeaseState(StrEnum):
    """The lease of a connection, as the worker that decides reads it."""

    OURS = "ours"
    """This worker renewed it under the epoch that it has."""
    LOST = "lost"
    """This worker had it; another epoch is in force now."""
    VACANT = "vacant"
    """It names no owner, or this worker, which does not have it."""
    CURRENT = "current"
    """It names another owner, which renewed it since PostgreSQL started."""
    UNPROVEN = "unproven"
    """It names another owner, which has not renewed it since PostgreSQL started."""
    SILENT = "silent"
    """It names another owner, whose last renewal is so long ago that the broker has dropped its sockets."""


class ProcessStatus(StrEnum):
    """The process that the lease names, as seen from this host."""

    GONE = "gone"
    RUNNING = "running"
    """It exists; it may be frozen."""
    ELSEWHERE = "elsewhere"
    """It is on another host or in another container, where its status cannot be read."""


class Action(StrEnum):
    """What a worker may do about a connection."""

    KEEP = "keep"
    """Keep its socket open, and acquire the lock again if the database session was lost."""
    CLOSE_SOCKET = "close the socket"
    TAKE_OVER = "take over"
    """Acquire the lock and raise the epoch."""
    WAIT = "wait"
    END_SESSION = "end the database session"
    """End the session that owns the lock; the lock is then free."""


_ANY: Final = tuple(ProcessStatus)

# One row per lease and process: the action while the lock is free, and while it is taken.
_ROWS: Final[tuple[tuple[LeaseState, tuple[ProcessStatus, ...], Action, Action], ...]] = (
    # The epoch in PostgreSQL decides alone. A lock that was lost with its session proves nothing against its owner.
    (LeaseState.OURS, _ANY, Action.KEEP, Action.KEEP),
    (LeaseState.LOST, _ANY, Action.CLOSE_SOCKET, Action.CLOSE_SOCKET),
    # A taken lock without an owner in the lease: another worker is taking it over or releasing it now.
    (LeaseState.VACANT, _ANY, Action.TAKE_OVER, Action.WAIT),
    # A dead process has no sockets. PostgreSQL frees its lock milliseconds later.
    (LeaseState.CURRENT, (ProcessStatus.GONE,), Action.TAKE_OVER, Action.WAIT),
    # The process lost its database session, not its sockets; it acquires the lock again within a beat if it runs.
    (LeaseState.CURRENT, (ProcessStatus.RUNNING,), Action.WAIT, Action.WAIT),
    # Only the session tells a dead process on another host from a frozen one. Its end is believed.
    (LeaseState.CURRENT, (ProcessStatus.ELSEWHERE,), Action.TAKE_OVER, Action.WAIT),
    (LeaseState.UNPROVEN, (ProcessStatus.GONE,), Action.TAKE_OVER, Action.WAIT),
    (LeaseState.UNPROVEN, (ProcessStatus.RUNNING,), Action.WAIT, Action.WAIT),
    # PostgreSQL itself ended the session when it stopped, so its end proves nothing here.
    (LeaseState.UNPROVEN, (ProcessStatus.ELSEWHERE,), Action.WAIT, Action.WAIT),
    # The broker has dropped the sockets of this owner, frozen or not, and only its session is in the way.
    (LeaseState.SILENT, _ANY, Action.TAKE_OVER, Action.END_SESSION),
)

ACTIONS: Final[Mapping[tuple[LockState, LeaseState, ProcessStatus], Action]] = {
    (lock, lease, process): action
    for lease, processes, while_free, while_taken in _ROWS
    for process in processes
    for lock, action in ((LockState.FREE, while_free), (LockState.TAKEN, while_taken))
}
"""The permitted action for every combination of lock, lease and process."""
