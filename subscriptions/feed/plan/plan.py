"""The plan of one connection: the wanted set, the set sent to the present socket, and the difference.

Bookkeeping only: no I/O, no clock. The reconciler replaces the wanted set, the connection records each request.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Protocol

from marketdata.dhan.quote_table import QuoteTable
from marketdata.dhan.requests import Request
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quotes import Mode
from subscriptions.domain.commands import Modes, commands_between, sent_after
from subscriptions.domain.wanted import WantedInstrument
from subscriptions.feed.ownership.statements import Lease


class Plan:
    """Wanted and sent instruments of one connection. Only its own methods change it."""

    def __init__(self) -> None:
        self._wanted: Mapping[InstrumentKey, WantedInstrument] = {}
        self._sent: Modes = {}
        self._is_read = False
        self._changed = asyncio.Event()

    @property
    def wanted(self) -> Mapping[InstrumentKey, WantedInstrument]:
        """The wanted set as read last."""
        return self._wanted

    @property
    def sent(self) -> Modes:
        """The mode of each instrument that the present socket was sent. Every change makes a new mapping."""
        return self._sent

    @property
    def is_fulfilled(self) -> bool:
        """Whether the wanted set was read at least once and all of it, and nothing else, was sent."""
        return self._is_read and self._sent == _modes(self._wanted)

    @property
    def has_changed(self) -> bool:
        """Whether there may be something to send that `wait_changed` has not reported."""
        return self._changed.is_set()

    def replace(self, wanted: Iterable[WantedInstrument]) -> Mapping[InstrumentKey, int]:
        """Replace the wanted set; return the new ids of sent instruments whose database id is another now."""
        # The ids are the database's, the keys the broker's: commands need keys, rows and frames need ids.
        before, self._wanted = self._wanted, {one.key: one for one in wanted}
        self._is_read = True
        if _modes(before) != _modes(self._wanted):
            self._changed.set()
        known = self._sent.keys() & self._wanted.keys()
        # An instrument that the import deleted and listed again has a new id; the socket streams it under its old key.
        return {
            key: self._wanted[key].instrument_id
            for key in known
            if key not in before or before[key].instrument_id != self._wanted[key].instrument_id
        }

    def begin_socket(self) -> None:
        """Empty the sent set: the broker keeps no subscription across sockets."""
        self._sent = {}

    def mark_changed(self) -> None:
        """Wake the task that sends, now that a socket is open."""
        self._changed.set()

    def note_sent(self, request: Request) -> None:
        """Record a request that went out; the broker acknowledges none."""
        self._sent = sent_after(self._sent, request)

    def list_commands(self) -> Sequence[Request]:
        """Return the requests that turn the sent set into the wanted set, in the order in which to send them."""
        return commands_between(self._sent, _modes(self._wanted))

    def list_arriving(self) -> Set[int]:
        """Return the ids of sent instruments that another connection streams too."""
        arriving = (one for one in self._wanted.values() if one.is_arriving)
        return {one.instrument_id for one in arriving if one.key in self._sent}

    def list_sent(self, instrument_ids: Set[int]) -> Mapping[InstrumentKey, int]:
        """Return those of the instruments that were sent, ids by key; tickers first, which are the spots."""
        # The ids first: they rule out nearly all instruments, and the hash of a key is expensive.
        found = [one for one in self._wanted.values() if one.instrument_id in instrument_ids and one.key in self._sent]
        return {one.key: one.instrument_id for one in sorted(found, key=lambda one: one.mode is not Mode.TICKER)}

    def ids_of(self, keys: Iterable[InstrumentKey]) -> Mapping[InstrumentKey, int]:
        """Return the database id of each wanted instrument among `keys`."""
        return {key: self._wanted[key].instrument_id for key in keys if key in self._wanted}

    async def wait_changed(self) -> None:
        """Wait until there may be something to send."""
        await self._changed.wait()
        self._changed.clear()


class PlannedConnection(Protocol):
    """The part of a connection that the tasks of its plan use; keeps this package below `feed.connection`."""

    lease: Lease
    plan: Plan
    table: QuoteTable

    def replace_plan(self, wanted: Sequence[WantedInstrument]) -> None: ...
    def list_commands(self) -> Sequence[Request]: ...
    def send(self, request: Request) -> None: ...
    async def wait_confirmed(self) -> None: ...
    def list_arriving(self) -> Mapping[int, bool]: ...


def _modes(wanted: Mapping[InstrumentKey, WantedInstrument]) -> Mapping[InstrumentKey, Mode]:
    return {key: one.mode for key, one in wanted.items()}
