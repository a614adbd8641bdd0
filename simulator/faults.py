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

NO_FAULTS: Final[Mapping[str, float]] = MappingProxyType({})
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
    minimum: float = 0.0
    maximum: float = 1.0
    is_integer: bool = False
    """Whether the dial counts things, or is a switch."""
    is_per_connection: bool = True
    """Whether it can be for one socket; others are for the account."""
    one_shot_dials: frozenset[float] | None = frozenset()
    """Dials at which it strikes and is over; None for all of them."""
    allowed_dials: frozenset[float] | None = None
    """The only dials it has; None where any between `minimum` and `maximum` will do."""

    def is_one_shot(self, dial: float) -> bool:
        """Whether at `dial` it strikes what is open and is over."""
        return self.one_shot_dials is None or dial in self.one_shot_dials

    def check(self, dial: object) -> float:
        """Return `dial` as a number. Raises FaultError with a sentence."""
        if isinstance(dial, bool) or not isinstance(dial, int | float) or not math.isfinite(dial):
            raise FaultError(f"The dial of {self.name} is a number ({self.unit}).")
        if not self.minimum <= dial <= self.maximum:
            raise FaultError(f"The dial of {self.name} is between {self.minimum:g} and {self.maximum:g} ({self.unit}).")
        if self.is_integer and dial != int(dial):
            raise FaultError(f"The dial of {self.name} is a whole number ({self.unit}).")
        if self.allowed_dials is not None and dial not in self.allowed_dials:
            raise FaultError(f"The dial of {self.name} is {self.unit}.")
        return float(dial)


NOW: Final = frozenset((0.0,))


def _switch(name: str, about: str) -> Fault:
    return Fault(name, 1, "1: on", about, minimum=1, is_integer=True)


def _per_packet(name: str, about: str) -> Fault:
    return Fault(name, 0.05, "share of packets", about)


_FAULTS: Final = (
    Fault(
        "tcp_reset",
        0,
        "seconds after opening, 0 now and once",
        "The socket is reset: no disconnect packet, no close frame.",
        maximum=DAY_SECONDS,
        one_shot_dials=NOW,
    ),
    Fault(
        "close_without_frame",
        0,
        "seconds after opening, 0 now and once",
        "The socket ends in good order for TCP, without a close frame.",
        maximum=DAY_SECONDS,
        one_shot_dials=NOW,
    ),
    _switch("half_open", "The socket stays; nothing is sent, nothing is answered, nothing is closed."),
    _switch("mute", "Pings go on, data does not."),
    Fault(
        "burst_then_silence",
        2,
        "seconds of data after the first subscribe",
        "Data comes for a while and then no more; pings go on.",
        maximum=DAY_SECONDS,
    ),
    _switch("stall_one", "One socket (the oldest, if none is named) is mute while the others run."),
    Fault(
        "handshake_400",
        1,
        "handshakes in a row, -1 all",
        "The handshake is answered with 400.",
        minimum=-1,
        maximum=1_000,
        is_integer=True,
        is_per_connection=False,
    ),
    Fault(
        "handshake_429",
        1,
        "handshakes in a row, -1 all",
        "The handshake is answered with 429.",
        minimum=-1,
        maximum=1_000,
        is_integer=True,
        is_per_connection=False,
    ),
    Fault(
        "first_reconnect_refused",
        1,
        "1: on",
        "For each socket that is gone, the next handshake is answered with 400, the one after it is not.",
        minimum=1,
        is_integer=True,
        is_per_connection=False,
    ),
    Fault(
        "old_slot_held",
        30,
        "seconds",
        "The slot of a socket that its client closed or lost counts on: a quick reconnect is one too many, and the "
        "oldest open socket is told 805.",
        maximum=DAY_SECONDS,
        is_per_connection=False,
    ),
    Fault(
        "disconnect_code",
        800,
        "reason code",
        "The socket is told this code in a disconnect packet and closed.",
        minimum=1,
        maximum=65_535,
        is_integer=True,
        one_shot_dials=None,
    ),
    Fault(
        "auth_shape",
        3,
        "1 to 4, or 807, 808 or 809",
        "How a refused token is told: 1 with 400 at the handshake, 2 by a drop without close frame, 3 with a "
        "disconnect packet, 4 by a reset; a code is shape 3 with that code.",
        minimum=1,
        maximum=809,
        is_integer=True,
        is_per_connection=False,
        allowed_dials=frozenset((1, 2, 3, 4, 807, 808, 809)),
    ),
    Fault(
        "token_rollover",
        1,
        "1: open sockets end, 2: they stay",
        "Every token issued so far is invalid from now on.",
        minimum=1,
        maximum=2,
        is_integer=True,
        is_per_connection=False,
        one_shot_dials=None,
    ),
    Fault("slow_drip", 200, "bytes a second", "Data leaves drop by drop, frames in pieces.", minimum=1, maximum=1e9),
    Fault("delayed_feed", 5, "seconds", "Data comes this much later than it was.", maximum=300),
    _per_packet("truncated", "Cut off; the length says what it should have been. The last of its message."),
    _per_packet("concatenated", "The next packet is in the same message."),
    _per_packet("oversized", "Longer than its layout, and the length says so."),
    _per_packet("unknown_packets", "Preceded by a packet of a code that nobody documents."),
    Fault(
        "stacked",
        50,
        "packets in a message",
        "Several packets share a message; what is left over goes at the end of a turn.",
        minimum=1,
        maximum=300,
        is_integer=True,
    ),
    _per_packet("nan_price", "The last price is no number."),
    _per_packet("zero_price", "The last price is 0."),
    _per_packet("negative_price", "The last price is below 0."),
    _per_packet("ltt_zero", "The last trade time is 0, as of an instrument that never traded."),
    _per_packet("duplicates", "Sent twice."),
    _per_packet("out_of_order", "Held back until a newer packet of its instrument has gone."),
    Fault(
        "late_after_unsubscribe",
        3,
        "packets of each instrument",
        "An unsubscribed instrument is still sent this often, as packets under way would be.",
        minimum=1,
        maximum=1_000,
        is_integer=True,
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
    if fault.is_one_shot(number):
        raise FaultError(f"{name} strikes sockets that are open: there is none before the simulator runs.")
    return name, number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(slots=True)
class ActiveFault:
    """A fault that is on: how far, and for which connection (its number), or for all."""

    dial: float
    connection: int | None = None


def describe_all() -> str:
    """Return a line on every fault: name, default dial, unit and what it does."""
    width = max(len(name) for name in REGISTRY)
    lines = (f"{one.name:<{width}}  {one.default:>4g}  {one.unit}. {one.about}" for one in REGISTRY.values())
    return "\n".join(lines)


class Faults:
    """Which faults are on. `version` moves with every change, so that others may keep what they read."""

    def __init__(self, switched_on: Iterable[tuple[str, float]] = ()) -> None:
        self.version = 0
        self._on: dict[str, ActiveFault] = {}
        for name, dial in switched_on:
            self.switch_on(name, dial)

    def switch_on(self, name: str, dial: float, *, connection: int | None = None) -> None:
        """Switch `name` on, or to another dial. The dial has been checked."""
        self._on[name] = ActiveFault(dial, connection)
        self.version += 1

    def switch_off(self, name: str | None = None) -> None:
        """Switch `name` off, or everything."""
        for one in [name] if name else list(self._on):
            self._on.pop(one, None)
        self.version += 1

    def state(self, name: str) -> ActiveFault | None:
        """Return how far `name` is on, None if it is off."""
        return self._on.get(name)

    def dial(self, name: str) -> float | None:
        """Return the dial of a fault of the account, None if it is off."""
        switched = self._on.get(name)
        return None if switched is None else switched.dial

    def consume(self, name: str) -> bool:
        """Whether a fault that counts down is on; it then counts one less. Below zero it never ends."""
        switched = self._on.get(name)
        if switched is None or switched.dial == 0:
            return False
        if switched.dial > 0:
            switched.dial -= 1
            if switched.dial == 0:
                self.switch_off(name)
        return True

    def faults_of(self, connection: int) -> Mapping[str, float]:
        """Return the dials of all faults that concern the socket of that connection."""
        found = {
            name: switched.dial
            for name, switched in self._on.items()
            if REGISTRY[name].is_per_connection and switched.connection in {None, connection}
        }
        return found or NO_FAULTS
