"""The faults that the simulator can inject, each with a name and a dial, and the set of active faults.

Most of them were observed at the broker and are described in issue threads of its clients (read November 2026). Pure
state: the feed server, its clients and the REST side read it and act. A fault of sockets applies to one connection or
to all, later ones included, until it is switched off. A one-shot fault is never active: it is applied to the open
sockets once.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

NO_FAULTS: Final[Mapping[str, float]] = MappingProxyType({})
DAY_SECONDS: Final = 86_400.0  # chosen: an upper bound for dials in seconds; no test runs longer


class FaultError(ValueError):
    """An invalid dial, connection or name; the text is a sentence."""


class UnknownFault(FaultError):
    """No fault has this name."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and the range of its dial; `default` is the dial if the command line gives none."""

    name: str
    default: float
    unit: str
    about: str
    minimum: float = 0.0
    maximum: float = 1.0
    # Whether the dial is a whole number.
    is_integer: bool = False
    # Whether it can apply to one connection; other faults apply to the account.
    is_per_connection: bool = True
    # The dials at which it is one-shot; None for every dial.
    one_shot_dials: frozenset[float] | None = frozenset()
    # The only valid dials; None if every dial between `minimum` and `maximum` is valid.
    allowed_dials: frozenset[float] | None = None

    def is_one_shot(self, dial: float) -> bool:
        """Return whether it is one-shot at `dial`."""
        return self.one_shot_dials is None or dial in self.one_shot_dials

    def check(self, dial: object) -> float:
        """Return `dial` as a number. Raises FaultError with a sentence if it is invalid."""
        if isinstance(dial, bool) or not isinstance(dial, int | float) or not math.isfinite(dial):
            raise FaultError(f"The dial of {self.name} must be a number ({self.unit}).")
        if not self.minimum <= dial <= self.maximum:
            raise FaultError(
                f"The dial of {self.name} must be between {self.minimum:g} and {self.maximum:g} ({self.unit})."
            )
        if self.is_integer and dial != int(dial):
            raise FaultError(f"The dial of {self.name} must be a whole number ({self.unit}).")
        if self.allowed_dials is not None and dial not in self.allowed_dials:
            raise FaultError(f"The dial of {self.name} must be {self.unit}.")
        return float(dial)


NOW: Final = frozenset((0.0,))  # as one-shot dials: 0 seconds after opening means at once, for open sockets


def _switch(name: str, about: str, *, is_per_connection: bool = True) -> Fault:
    return Fault(name, 1, "1: on", about, minimum=1, is_integer=True, is_per_connection=is_per_connection)


def _per_packet(name: str, about: str) -> Fault:
    return Fault(name, 0.05, "share of packets", about)


def _of_items(name: str, about: str) -> Fault:
    return Fault(
        name,
        1,
        "first items of each REST answer, -1 all",
        about,
        minimum=-1,
        maximum=1_000,
        is_integer=True,
        is_per_connection=False,
    )


_FAULTS: Final = (
    *(
        Fault(name, 0, "seconds after opening, 0 now and once", about, maximum=DAY_SECONDS, one_shot_dials=NOW)
        for name, about in (
            ("tcp_reset", "The socket is reset: no disconnect packet, no close frame."),
            ("close_without_frame", "The TCP connection is closed normally, without a close frame."),
        )
    ),
    _switch("half_open", "The socket stays open; nothing is sent, answered or closed."),
    _switch("mute", "Pings continue, data stops."),
    Fault(
        "burst_then_silence",
        2,
        "seconds of data after the first subscribe",
        "Data stops after this time; pings continue.",
        maximum=DAY_SECONDS,
    ),
    _switch("stall_one", "One socket (the oldest, if none is named) is mute; the others are not."),
    *(
        Fault(
            f"handshake_{status}",
            1,
            "handshakes in a row, -1 all",
            f"The handshake is answered with {status}.",
            minimum=-1,
            maximum=1_000,
            is_integer=True,
            is_per_connection=False,
        )
        for status in (400, 429)
    ),
    _switch(
        "first_reconnect_refused",
        "After each disconnect, the next handshake is answered with 400; the one after it succeeds.",
        is_per_connection=False,
    ),
    Fault(
        "old_slot_held",
        30,
        "seconds",
        "The slot of a socket that its client closed or lost stays reserved: a quick reconnect exceeds the limit, and "
        "the oldest open socket gets 805.",
        maximum=DAY_SECONDS,
        is_per_connection=False,
    ),
    Fault(
        "disconnect_code",
        800,
        "reason code",
        "The socket gets a disconnect packet with this code and is closed.",
        minimum=1,
        maximum=65_535,
        is_integer=True,
        one_shot_dials=None,
    ),
    Fault(
        "auth_shape",
        3,
        "1 to 4, or 807, 808 or 809",
        "How a refused token is answered: 1 with 400 at the handshake, 2 by a close without close frame, 3 with a "
        "disconnect packet, 4 by a reset; a code is 3 with that code.",
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
        "Every token issued so far is revoked.",
        minimum=1,
        maximum=2,
        is_integer=True,
        is_per_connection=False,
        one_shot_dials=None,
    ),
    Fault("slow_drip", 200, "bytes a second", "Data is sent at this rate, frames in pieces.", minimum=1, maximum=1e9),
    Fault("delayed_feed", 5, "seconds", "Data is sent this much later.", maximum=300),
    _per_packet("truncated", "Cut off; the header states the length before the cut. The last of its message."),
    _per_packet("concatenated", "The next packet is in the same message."),
    _per_packet("oversized", "Longer than its layout; the header states the true length."),
    _per_packet("unknown_packets", "Preceded by a packet with an undocumented code."),
    Fault(
        "stacked",
        50,
        "packets in a message",
        "Several packets share a message; the remainder is sent at the end of a turn.",
        minimum=1,
        maximum=300,
        is_integer=True,
    ),
    _per_packet("nan_price", "The last price is NaN."),
    _per_packet("zero_price", "The last price is 0."),
    _per_packet("negative_price", "The last price is below 0."),
    _per_packet("ltt_zero", "The last trade time is 0, as for an instrument that never traded."),
    _per_packet("duplicates", "Sent twice."),
    _per_packet("out_of_order", "Delayed until a newer packet of its instrument is sent."),
    Fault(
        "late_after_unsubscribe",
        3,
        "packets of each instrument",
        "An unsubscribed instrument is sent this many times more, as packets in flight would be.",
        minimum=1,
        maximum=1_000,
        is_integer=True,
    ),
    Fault(
        "volume_wrap",
        20,
        "lots before the wrap",
        "The day's volume of every share and derivative rises to this many lots below 2**32; later trades wrap it.",
        minimum=1,
        maximum=1_000,
        is_integer=True,
        is_per_connection=False,
        one_shot_dials=None,
    ),
    _switch("unsubscribe_ignored", "An unsubscribe has no effect."),
    _switch(
        "no_snapshot", "No packet after a subscribe until the instrument trades; indices send their previous close."
    ),
    # Items of REST answers: `answer_faults`.
    _of_items("rest_null", "The item is null."),
    _of_items("rest_missing", "The last price is missing."),
    _of_items("rest_text", "The last price is the text '-'."),
    _of_items("rest_nan", "The last price is NaN."),
    _of_items("rest_infinity", "The last price is Infinity."),
    _of_items("rest_negative", "The last price is below 0."),
    _of_items("rest_huge", "The last price is an integer of 401 digits."),
    _of_items("rest_list", "The item is a list with the item."),
    _of_items("rest_null_sides", "Both sides of the depth are null."),
    _of_items("rest_short_depth", "The depth has three levels."),
    _of_items("rest_long_depth", "The depth has twenty levels."),
    _of_items("rest_iso_time", "The last trade time is an ISO time."),
    _switch("rest_unknown_segment", "A segment that does not exist is in the answer too.", is_per_connection=False),
    _switch("rest_no_data", "The content of each REST answer is null.", is_per_connection=False),
    _switch("rest_no_json", "Each REST answer is a page of HTML, with status 200.", is_per_connection=False),
    Fault(
        "rest_status",
        500,
        "status",
        "Each REST request is refused with this status.",
        minimum=400,
        maximum=599,
        is_integer=True,
        is_per_connection=False,
    ),
)

REGISTRY: Final[Mapping[str, Fault]] = MappingProxyType({fault.name: fault for fault in _FAULTS})


def find(name: str) -> Fault:
    """Return the fault called `name`. Raises UnknownFault."""
    try:
        return REGISTRY[name]
    except KeyError:
        raise UnknownFault(f"Unknown fault {name!r}; --list-faults lists all faults.") from None


def parse(text: str) -> tuple[str, float]:
    """Return name and dial of `NAME=DIAL`, or of `NAME` alone at its default. Raises FaultError."""
    name, _, dial = text.partition("=")
    fault = find(name)
    number = fault.check(_number(dial) if dial else fault.default)
    if fault.is_one_shot(number):
        raise FaultError(f"{name} applies to open sockets once; before the start there are none.")
    return name, number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(slots=True)
class ActiveFault:
    """The dial of an active fault and the number of its connection, None for all."""

    dial: float
    connection: int | None = None


def describe_all() -> str:
    """Return one line for every fault: name, default dial, unit, effect."""
    width = max(len(name) for name in REGISTRY)
    lines = (f"{one.name:<{width}}  {one.default:>4g}  {one.unit}. {one.about}" for one in REGISTRY.values())
    return "\n".join(lines)


class Faults:
    """The active faults. `version` changes with every change, so that readers may cache their faults."""

    def __init__(self, switched_on: Iterable[tuple[str, float]] = ()) -> None:
        self.version = 0
        self._on: dict[str, ActiveFault] = {}
        for name, dial in switched_on:
            self.switch_on(name, dial)

    def switch_on(self, name: str, dial: float, *, connection: int | None = None) -> None:
        """Activate `name`, or change its dial. The dial has been validated."""
        self._on[name] = ActiveFault(dial, connection)
        self.version += 1

    def switch_off(self, name: str | None = None) -> None:
        """Switch `name` off, or all faults."""
        for one in [name] if name else list(self._on):
            self._on.pop(one, None)
        self.version += 1

    def state(self, name: str) -> ActiveFault | None:
        """Return the state of `name`, None if it is off."""
        return self._on.get(name)

    def dial(self, name: str) -> float | None:
        """Return the dial of a fault of the account, None if it is off."""
        switched = self._on.get(name)
        return None if switched is None else switched.dial

    def consume(self, name: str) -> bool:
        """Return whether a counting fault is active, and decrement its dial. A negative dial never ends."""
        switched = self._on.get(name)
        if switched is None or switched.dial == 0:
            return False
        if switched.dial > 0:
            switched.dial -= 1
            if switched.dial == 0:
                self.switch_off(name)
        return True

    def faults_of(self, connection: int) -> Mapping[str, float]:
        """Return the dials of all active faults that apply to the connection with this number."""
        found = {
            name: switched.dial
            for name, switched in self._on.items()
            if REGISTRY[name].is_per_connection and switched.connection in {None, connection}
        }
        return found or NO_FAULTS
