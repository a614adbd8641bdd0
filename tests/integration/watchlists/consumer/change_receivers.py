"""Forwards the changes that the hub of a test receives to the watches of its sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from marketdata.domain.changes import Changes
from watchlists.shared_watches import SharedWatches

_OPEN: set[SharedWatches] = set()
"""Those of the open sockets; in a process of the product all sockets share one."""


def note_changes(changes: Changes) -> None:
    """Receive the changes of the hub for all open sockets."""
    for one in _OPEN:
        one.note(changes)


@asynccontextmanager
async def serving(shared: SharedWatches) -> AsyncIterator[None]:
    """Forward the changes to the watches of one or of several sockets."""
    _OPEN.add(shared)
    try:
        yield
    finally:
        _OPEN.remove(shared)
        await shared.aclose()
