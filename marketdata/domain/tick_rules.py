"""Which ticks are accepted, and how they change a quote: the definition, one tick at a time.

* **Order.** An older trade time never overwrites a newer one; of equal trade times the later arrival wins.
* **Validity.** An invalid price is rejected and counted by kind (`TickFault`). The quote keeps its last good price.
* **Previous close.** The first one of a trading day stands until the first trade of a later day removes it. It is the
  broker's packet for it (code 6), else the close field of quote and full packets. Days begin at midnight IST. Both are
  the previous close only before the end of the session: after it they may be the close of the session that ended, so
  they set nothing for a price of that session (`EndedDays`).
* **Volume.** The wire has the lower 32 bits of the day's volume. A fall of more than half their range within a day is a
  wrap (`unwrap_volume`).

`marketdata.dhan.tick_checks` is the fast twin for all packets of a flush; a property test compares both on any stream.
The reception time is an argument: this module reads no clock. Sources: docs/dhan.md, section "Live feed".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quotes import FullTick, OiTick, PreviousCloseTick, Quote, QuoteTick, Tick, TickerTick, updated

DAY_SECONDS: Final = 86_400  # 24 * 60 * 60
_EPOCH: Final = date(1970, 1, 1)
IST_SECONDS: Final = 19_800  # IST is UTC+5:30
# 9 Sep 2001. Chosen: between the placeholder dates of untraded instruments (1970, 1980) and any trade of a listed one.
FIRST_REAL_LTT: Final = 1_000_000_000
# Chosen: no share with a circuit limit (at most 20 % a day) moves tenfold; a shifted decimal point does.
LARGEST_JUMP: Final = 10.0
# Chosen: a demerger or a share without circuit limits can move tenfold. So after this many rejected jumps in a row the
# next one is accepted; a single damaged packet never is.
MAX_REJECTED_JUMPS: Final = 3

# The volume field of quote and full packets has 32 bits (docs/dhan.md).
WIRE_VOLUMES: Final = 2**32
# Half the range: no instrument trades as much between two packets, and no late packet is as old.
LARGEST_VOLUME_FALL: Final = 2**31

# Only these are checked for jumps: an option can move tenfold within days.
STEADY_SEGMENTS: Final = frozenset({ExchangeSegment.IDX_I, ExchangeSegment.NSE_EQ, ExchangeSegment.BSE_EQ})


class TickFault(StrEnum):
    """Why a tick is rejected; the values are the kinds that are counted."""

    NOT_FINITE = "not_finite"
    NEGATIVE = "negative"
    ZERO = "zero"
    JUMP = "jump"
    FUTURE = "future"
    OLDER = "older"

    @property
    def is_impossible(self) -> bool:
        """Whether the price is invalid; an older tick is valid, but late."""
        return self is not TickFault.OLDER


EndedDays = Mapping[int, int]
"""The day of the last session, as `day_in_india` counts, of each segment without a session now, by its number."""
NONE_ENDED: Final[EndedDays] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TrackedQuote:
    """A quote with the state that the rules need beside it.

    `close_day` is the day of its previous close, as `day_in_india` counts. `jumps` were rejected in a row. A price that
    `is_snapshot` came in the broker's REST answer: a packet replaces it whatever its trade time. `volume_ltt` is the
    trade time with which the volume came; a ticker moves that of the quote, but has no volume.
    """

    quote: Quote
    is_suspect: bool = False
    is_snapshot: bool = False
    close_day: int = -1
    jumps: int = 0
    volume_ltt: int = 0


def day_in_india(received_at_ms: int) -> int:
    """Return the number of the day in IST since 1970, the same count as `ltt // DAY_SECONDS` (LTT is in IST)."""
    # The reception time is true UTC, LTT is not: adding the offset makes both counts comparable.
    return (received_at_ms // 1_000 + IST_SECONDS) // DAY_SECONDS


def day_number(day: date) -> int:
    """Return the number of a date since 1970, as `day_in_india` counts."""
    return (day - _EPOCH).days


def find_fault(ltp: float, ltt: int, tracked: TrackedQuote, *, today: int) -> TickFault | None:
    """Return why a price with its trade time is rejected; None if it is accepted.

    The order of the checks matters: it decides which kind is counted.
    """
    # 0 stands for unknown in both: no reference for a jump, and older than every trade.
    known_ltp, known_ltt = tracked.quote.ltp or 0.0, tracked.quote.ltt or 0
    # First, because every comparison with NaN is false: NaN would pass all later checks.
    if not math.isfinite(ltp):
        return TickFault.NOT_FINITE
    if ltp < 0:
        return TickFault.NEGATIVE
    # A trade of tomorrow is accepted: at midnight our clock may be behind the broker's.
    if ltt >= (today + 2) * DAY_SECONDS:
        return TickFault.FUTURE
    # An instrument that has not traded today comes with trade time 0 or a date of 1980 (docs/dhan.md), perhaps without
    # a price. That replaces what is known of an earlier day, although its trade time is lower, but nothing of today.
    is_untraded = ltt < FIRST_REAL_LTT and known_ltt // DAY_SECONDS < today
    # Strictly older: the broker repeats the time of the last trade with every change of depth. A snapshot's trade time
    # does not count, because REST and feed can be of different ages.
    if ltt < known_ltt and not is_untraded and not tracked.is_snapshot:
        return TickFault.OLDER
    if ltp == 0:
        # A zero is the normal price of an instrument that never traded. After a price it is a damaged packet.
        return TickFault.ZERO if known_ltp > 0 and not is_untraded else None
    is_steady = tracked.quote.key.segment in STEADY_SEGMENTS
    # The first packet after a start has no known price to compare with: the previous close stands in for it.
    reference = known_ltp or tracked.quote.previous_close or 0.0
    if is_steady and tracked.jumps < MAX_REJECTED_JUMPS and is_jump(ltp, reference):
        return TickFault.JUMP
    return None


def is_jump(ltp: float, reference: float) -> bool:
    """Whether a price is above ten times `reference` or below a tenth of it; never if `reference` is 0, unknown."""
    return reference > 0 and not reference / LARGEST_JUMP <= ltp <= reference * LARGEST_JUMP


def apply_tick(
    tracked: TrackedQuote, tick: Tick, *, received_at_ms: int, ended: EndedDays = NONE_ENDED
) -> tuple[TrackedQuote, TickFault | None]:
    """Return the quote after `tick`, and the fault if the tick was rejected."""
    match tick:
        # Open interest carries no price and no trade time, so no rule can reject it.
        case OiTick():
            return replace(tracked, quote=updated(tracked.quote, tick)), None
        case PreviousCloseTick():
            if tick.key.segment in ended:
                return _skip_previous_close(tracked, ended[tick.key.segment]), None
            return _apply_previous_close(tracked, tick, day_in_india(received_at_ms)), None
        case TickerTick() | QuoteTick() | FullTick():
            ended_day = ended.get(tick.key.segment, -1)
            return _apply_price(tracked, tick, day_in_india(received_at_ms), ended_day)


def _apply_previous_close(tracked: TrackedQuote, tick: PreviousCloseTick, today: int) -> TrackedQuote:
    # Only a packet of code 6 sets previous_oi. So the first such packet of a day stands, and replaces a close field.
    has_packet_of_today = tracked.quote.previous_oi is not None and tracked.close_day >= today
    if has_packet_of_today or not is_close(tick.previous_close):
        return tracked
    return replace(tracked, quote=updated(tracked.quote, tick), close_day=today)


def _skip_previous_close(tracked: TrackedQuote, ended_day: int) -> TrackedQuote:
    """Take no previous close from a packet of code 6 without a session: it does not tell which session it precedes."""
    if tracked.quote.previous_close is not None:
        return tracked
    # The packet comes once per subscription. As for a close that was lost, a snapshot sets it in the next session.
    return replace(tracked, close_day=max(tracked.close_day, ended_day))


def _apply_price(
    tracked: TrackedQuote, tick: TickerTick | QuoteTick | FullTick, today: int, ended_day: int
) -> tuple[TrackedQuote, TickFault | None]:
    fault = find_fault(tick.ltp, tick.ltt, tracked, today=today)
    if fault is not None:
        # The price stays and is marked suspect until the next accepted one; a late tick proves nothing about it.
        jumps = tracked.jumps + (fault is TickFault.JUMP)
        return replace(tracked, is_suspect=tracked.is_suspect or fault.is_impossible, jumps=jumps), fault
    quote, close_day, volume_ltt = updated(tracked.quote, tick), tracked.close_day, tracked.volume_ltt
    if not isinstance(tick, TickerTick):
        known = DayVolume(tracked.quote.volume or 0, volume_ltt)
        quote = replace(quote, volume=unwrap_volume(DayVolume(tick.volume, tick.ltt), known, today=today))
        volume_ltt = tick.ltt
    day = tick.ltt // DAY_SECONDS
    if day > close_day:
        # The previous close is of an earlier day: take this day's from the close field, or leave it unknown. Later
        # close fields of the same day are ignored, because after the session the broker sends today's close in them.
        day_close = 0.0 if isinstance(tick, TickerTick) else tick.day_close
        has_close = is_close(day_close) and day > ended_day
        quote = replace(quote, previous_close=day_close if has_close else None, previous_oi=None)
        # Without a close the day stays open: the next packet of this day may still set one.
        close_day = day if has_close else close_day
    return TrackedQuote(quote, close_day=close_day, volume_ltt=volume_ltt), None


@dataclass(frozen=True, slots=True)
class DayVolume:
    """Cumulative volume of a day, and the trade time with which it came."""

    volume: int
    ltt: int


def unwrap_volume(sent: DayVolume, known: DayVolume, *, today: int) -> int:
    """Return the volume of the day that `sent` stands for, given the volume known before it.

    Within a day it is the value closest to the known one whose lower 32 bits are those of `sent`. So a late packet from
    before a wrap causes no second one, and a new socket continues the count. A volume of more than 32 bits, from REST,
    is returned as it is.
    """
    if sent.volume >= WIRE_VOLUMES or sent.ltt // DAY_SECONDS != known.ltt // DAY_SECONDS:
        return sent.volume
    wraps, lower = divmod(known.volume, WIRE_VOLUMES)
    # Zero without a newer trade, or before today's first one, is the reset of the broker's counter.
    if sent.volume == 0 and lower and (sent.ltt <= known.ltt or sent.ltt // DAY_SECONDS < today):
        return 0
    rise = sent.volume - lower
    if rise < -LARGEST_VOLUME_FALL:
        wraps += 1
    elif rise > LARGEST_VOLUME_FALL and wraps:
        wraps -= 1
    return wraps * WIRE_VOLUMES + sent.volume


def is_close(price: float) -> bool:
    """Whether a close is known: the broker sends 0 for an unknown one."""
    return math.isfinite(price) and price > 0
