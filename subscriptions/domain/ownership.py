"""When a connection whose lock nobody holds may be taken from the owner that its lease still names.

A free lock says that a database session has ended, and almost always that its process has, sockets and all. Not
always: PostgreSQL may have restarted, or the session been ended, while the process stood still. Its sockets live until
the broker drops a client that has been silent for 40 seconds, and another's would be the sixth.
"""

from dataclasses import dataclass
from enum import StrEnum


class ProcessStatus(StrEnum):
    """What can be told from here of a process that owned a connection."""

    GONE = "gone"
    RUNNING = "running"
    """Perhaps frozen."""
    ELSEWHERE = "elsewhere"
    """On another machine, or in another container: nothing can be told."""


@dataclass(frozen=True, slots=True)
class FormerOwner:
    """Whom a lease names, who is not the one that looks."""

    name: str
    is_long_silent: bool
    """Its lease ran out so long ago that the broker has dropped it, should it be frozen."""
    was_heard_by_this_server: bool
    """It renewed its lease since PostgreSQL started; if not, the end of its session says nothing of it."""


def may_take_from(former: FormerOwner, presence: ProcessStatus) -> bool:
    """Say whether a connection may be taken from `former`, given that nobody holds its lock."""
    if former.is_long_silent:
        return True
    match presence:
        case ProcessStatus.GONE:
            return True
        case ProcessStatus.RUNNING:
            return False
        case ProcessStatus.ELSEWHERE:
            return former.was_heard_by_this_server
