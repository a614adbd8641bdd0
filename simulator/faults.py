"""Every misbehaviour of the simulator, by name, with a dial; and which of them are switched on.

Most of them were seen at the broker and are told in issue threads of its clients (read November 2026); the rest are
cheap to defend against. Pure state: the feed server, its clients and the REST side ask it and act. A fault that
concerns sockets is for one of them or for all, those that open later included, until it is switched off. A fault that
happens *at once* is never on: it strikes what is open and is over.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

NO_TROUBLE: Final[Mapping[str, float]] = MappingProxyType({})
DAY_SECONDS: Final = 86_400.0


class FaultError(ValueError):
    """A fault that cannot be switched on as asked; the text is a sentence."""


class UnknownFault(FaultError):
    """A name that is no fault's."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A misbehaviour and what its dial may say; `default` is its dial where none is given on the command line."""

    name: str
    default: float
    unit: str
    about: str
    least: float = 0.0
    most: float = 1.0
    is_whole: bool = False
    """Whether the dial counts things, or is a switch."""
    is_of_socket: bool = True
    """Whether it can be for one socket; others are for the account."""
    at_once: frozenset[float] | None = frozenset()
    """Dials at which it strikes and is over; None for all of them."""
    among: frozenset[float] | None = None
    """The only dials it has; None where any between `least` and `most` will do."""

    def happens_at_once(self, dial: float) -> bool:
        """Whether at `dial` it strikes what is open and is over."""
        return self.at_once is None or dial in self.at_once

    def check(self, dial: object) -> float:
        """Return `dial` as a number. Raises FaultError with a sentence."""
        if isinstance(dial, bool) or not isinstance(dial, int | float) or not math.isfinite(dial):
            raise FaultError(f"The dial of {self.name} is a number ({self.unit}).")
        if not self.least <= dial <= self.most:
            raise FaultError(f"The dial of {self.name} is between {self.least:g} and {self.most:g} ({self.unit}).")
        if self.is_whole and dial != int(dial):
            raise FaultError(f"The dial of {self.name} is a whole number ({self.unit}).")
        if self.among is not None and dial not in self.among:
            raise FaultError(f"The dial of {self.name} is {self.unit}.")
        return float(dial)


NOW: Final = frozenset((0.0,))


def _switch(name: str, about: str) -> Fault:
    return Fault(name, 1, "1: on", about, least=1, is_whole=True)


def _share(name: str, about: str) -> Fault:
    return Fault(name, 0.05, "share of packets", about)


_FAULTS: Final = (
    Fault(
        "tcp_reset",
        0,
        "seconds after opening, 0 now and once",
        "The socket is reset: no disconnect packet, no close frame.",
        most=DAY_SECONDS,
        at_once=NOW,
    ),
    Fault(
        "close_without_frame",
        0,
        "seconds after opening, 0 now and once",
        "The socket ends in good order for TCP, without a close frame.",
        most=DAY_SECONDS,
        at_once=NOW,
    ),
    _switch("half_open", "The socket stays; nothing is sent, nothing is answered, nothing is closed."),
    _switch("mute", "Pings go on, data does not."),
    Fault(
        "burst_then_silence",
        2,
        "seconds of data after the first subscribe",
        "Data comes for a while and then no more; pings go on.",
        most=DAY_SECONDS,
    ),
    _switch("stall_one", "One socket (the oldest, if none is named) is mute while the others run."),
    Fault(
        "handshake_400",
        1,
        "handshakes in a row, -1 all",
        "The handshake is answered with 400.",
        least=-1,
        most=1_000,
        is_whole=True,
        is_of_socket=False,
    ),
    Fault(
        "handshake_429",
        1,
        "handshakes in a row, -1 all",
        "The handshake is answered with 429.",
        least=-1,
        most=1_000,
        is_whole=True,
        is_of_socket=False,
    ),
    Fault(
        "first_reconnect_refused",
        1,
        "1: on",
        "For each socket that is gone, the next handshake is answered with 400, the one after it is not.",
        least=1,
        is_whole=True,
        is_of_socket=False,
    ),
    Fault(
        "old_slot_held",
        30,
        "seconds",
        "The slot of a socket that its client closed or lost counts on: a quick reconnect is one too many, and the "
        "oldest open socket is told 805.",
        most=DAY_SECONDS,
        is_of_socket=False,
    ),
    Fault(
        "disconnect_code",
        800,
        "reason code",
        "The socket is told this code in a disconnect packet and closed.",
        least=1,
        most=65_535,
        is_whole=True,
        at_once=None,
    ),
    Fault(
        "auth_shape",
        3,
        "1 to 4, or 807, 808 or 809",
        "How a refused token is told: 1 with 400 at the handshake, 2 by a drop without close frame, 3 with a "
        "disconnect packet, 4 by a reset; a code is shape 3 with that code.",
        least=1,
        most=809,
        is_whole=True,
        is_of_socket=False,
        among=frozenset((1, 2, 3, 4, 807, 808, 809)),
    ),
    Fault(
        "token_rollover",
        1,
        "1: open sockets end, 2: they stay",
        "Every token issued so far is invalid from now on.",
        least=1,
        most=2,
        is_whole=True,
        is_of_socket=False,
        at_once=None,
    ),
    Fault("slow_drip", 200, "bytes a second", "Data leaves drop by drop, frames in pieces.", least=1, most=1e9),
    Fault("delayed_feed", 5, "seconds", "Data comes this much later than it was.", most=300),
    _share("truncated", "Cut off; the length says what it should have been. The last of its message."),
    _share("concatenated", "The next packet is in the same message."),
    _share("oversized", "Longer than its layout, and the length says so."),
    _share("unknown_packets", "Preceded by a packet of a code that nobody documents."),
    Fault(
        "stacked",
        50,
        "packets in a message",
        "Several packets share a message; what is left over goes at the end of a turn.",
        least=1,
        most=300,
        is_whole=True,
    ),
    _share("nan_price", "The last price is no number."),
    _share("zero_price", "The last price is 0."),
    _share("negative_price", "The last price is below 0."),
    _share("ltt_zero", "The last trade time is 0, as of an instrument that never traded."),
    _share("duplicates", "Sent twice."),
    _share("out_of_order", "Held back until a newer packet of its instrument has gone."),
    Fault(
        "late_after_unsubscribe",
        3,
        "packets of each instrument",
        "An unsubscribed instrument is still sent this often, as packets under way would be.",
        least=1,
        most=1_000,
        is_whole=True,
    ),
    _switch("unsubscribe_ignored", "An unsubscribe changes nothing."),
    _switch(
        "no_snapshot",
        "A subscribe is answered with no packet until the instrument trades; indices tell their previous close.",
    ),
)

REGISTRY: Final[Mapping[str, Fault]] = MappingProxyType({fault.name: fault for fault in _FAULTS})


def find(name: str) -> Fault:
    """Return the fault of that name. Raises UnknownFault."""
    try:
        return REGISTRY[name]
    except KeyError:
        raise UnknownFault(f"There is no fault named {name!r}; --list-faults names them.") from None


def parse(text: str) -> tuple[str, float]:
    """Return name and dial of `NAME=DIAL`, or of `NAME` alone at its default. Raises FaultError."""
    name, _, dial = text.partition("=")
    fault = find(name)
    number = fault.check(_number(dial) if dial else fault.default)
    if fault.happens_at_once(number):
        raise FaultError(f"{name} strikes sockets that are open: there is none before the simulator runs.")
    return name, number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(slots=True)
class Switched:
    """A fault that is on: how far, and for which session (its number), or for all."""

    dial: float
    session: int | None = None


def describe_all() -> str:
    """Return a line on every fault: name, default dial, unit and what it does."""
    width = max(len(name) for name in REGISTRY)
    lines = (f"{one.name:<{width}}  {one.default:>4g}  {one.unit}. {one.about}" for one in REGISTRY.values())
    return "\n".join(lines)


class Faults:
    """Which faults are on. `version` moves with every change, so that others may keep what they read."""

    def __init__(self, switched_on: Iterable[tuple[str, float]] = ()) -> None:
        self.version = 0
        self._on: dict[str, Switched] = {}
        for name, dial in switched_on:
            self.switch_on(name, dial)

    def switch_on(self, name: str, dial: float, *, session: int | None = None) -> None:
        """Switch `name` on, or to another dial. The dial has been checked."""
        self._on[name] = Switched(dial, session)
        self.version += 1

    def switch_off(self, name: str | None = None) -> None:
        """Switch `name` off, or everything."""
        for one in [name] if name else list(self._on):
            self._on.pop(one, None)
        self.version += 1

    def state(self, name: str) -> Switched | None:
        """Return how far `name` is on, None if it is off."""
        return self._on.get(name)

    def dial(self, name: str) -> float | None:
        """Return the dial of a fault of the account, None if it is off."""
        switched = self._on.get(name)
        return None if switched is None else switched.dial

    def take_one(self, name: str) -> bool:
        """Whether a fault that counts down is on; it then counts one less. Below zero it never ends."""
        switched = self._on.get(name)
        if switched is None or switched.dial == 0:
            return False
        if switched.dial > 0:
            switched.dial -= 1
            if switched.dial == 0:
                self.switch_off(name)
        return True

    def trouble_of(self, session: int) -> Mapping[str, float]:
        """Return the dials of all faults that concern the socket of that session."""
        found = {
            name: switched.dial
            for name, switched in self._on.items()
            if REGISTRY[name].is_of_socket and switched.session in {None, session}
        }
        return found or NO_TROUBLE
