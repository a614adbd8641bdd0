"""Which ticks are believed, and what they do to a quote: the definition of honest data, one tick at a time.

* Older never overwrites newer. A later trade time is newer; of equal ones the later arrival is, for the broker repeats
  the time of the last trade with every change of the book.
* A price that cannot be is refused and counted by kind, and what was known stays, marked suspect until the next
  good one: not a number, negative, zero where a price is known, of a day that has not come. Of shares and indices
  also ten times or a tenth of the price before, until the same is said JUMPS_BELIEVED times in a row, because a share
  without circuit limits has done that; derivatives do it every week and are never asked.
* What was not yet traded today comes with no time (0, or one of 1980) and perhaps no price. That replaces a price of an
  earlier day, never one of today.
* The previous close is the broker's own packet for it, else the day's close field; the first of a trading day stands
  to its end, since the field turns into today's close after the session. The first trade of another day takes it away.
  Days are of India, from midnight there.

`marketdata.dhan.quote_table` does the same for whole windows at once and is held to this by a property test. Knows no
clock: `received_at_ms` is an argument.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quotes import FullTick, OiTick, PreviousCloseTick, Quote, QuoteTick, Tick, TickerTick, updated

DAY_SECONDS: Final = 86_400
IST_SECONDS: Final = 19_800
FIRST_REAL_LTT: Final = 1_000_000_000  # of 2001: what is before it means "not traded"
LARGEST_JUMP: Final = 10.0
JUMPS_BELIEVED: Final = 3
"""So many prices in a row that are as far away are believed with the next."""

STEADY_SEGMENTS: Final = frozenset({ExchangeSegment.IDX_I, ExchangeSegment.NSE_EQ, ExchangeSegment.BSE_EQ})


class TickFault(StrEnum):
    """Why a tick is not believed; the values are the kinds that are counted."""

    NOT_FINITE = "not_finite"
    NEGATIVE = "negative"
    ZERO = "zero"
    JUMP = "jump"
    FUTURE = "future"
    OLDER = "older"

    @property
    def is_impossible(self) -> bool:
        """Whether such a price cannot be; an older one only came late."""
        return self is not TickFault.OLDER


@dataclass(frozen=True, slots=True)
class HeldPrice:
    """What is known before a tick: zeros for what is not. `jumps` were refused in a row just now."""

    ltp: float = 0.0
    ltt: int = 0
    previous_close: float = 0.0
    is_snapshot: bool = False
    is_steady: bool = False
    jumps: int = 0


@dataclass(frozen=True, slots=True)
class Tracked:
    """A quote with what the rules must remember of it. `close_day` is the day its previous close is for."""

    quote: Quote
    is_suspect: bool = False
    close_day: int = -1
    jumps: int = 0


def day_in_india(received_at_ms: int) -> int:
    """Return the number of the day in India, as trade times count them."""
    return (received_at_ms // 1_000 + IST_SECONDS) // DAY_SECONDS


def find_fault(ltp: float, ltt: int, held: HeldPrice, *, today: int) -> TickFault | None:
    """Return why a price with its trade time is not believed; None if it is."""
    if not math.isfinite(ltp):
        return TickFault.NOT_FINITE
    if ltp < 0:
        return TickFault.NEGATIVE
    if ltt >= (today + 2) * DAY_SECONDS:
        return TickFault.FUTURE
    is_untraded = ltt < FIRST_REAL_LTT and held.ltt // DAY_SECONDS < today
    if ltt < held.ltt and not is_untraded and not held.is_snapshot:
        return TickFault.OLDER
    if ltp == 0:
        return TickFault.ZERO if held.ltp > 0 and not is_untraded else None
    reference = held.ltp or held.previous_close
    if held.is_steady and held.jumps < JUMPS_BELIEVED and is_jump(ltp, reference):
        return TickFault.JUMP
    return None


def is_jump(ltp: float, reference: float) -> bool:
    """Whether a price is more than ten times, or less than a tenth, of the one before; never if that is unknown."""
    return reference > 0 and not reference / LARGEST_JUMP <= ltp <= reference * LARGEST_JUMP


def follow(held: Tracked, tick: Tick, *, received_at_ms: int) -> tuple[Tracked, TickFault | None]:
    """Return what is known after `tick`, and why it was not believed if it was not."""
    match tick:
        case OiTick():
            return replace(held, quote=updated(held.quote, tick)), None
        case PreviousCloseTick():
            return _told_close(held, tick, day_in_india(received_at_ms)), None
        case TickerTick() | QuoteTick() | FullTick():
            return _priced(held, tick, day_in_india(received_at_ms))


def _told_close(held: Tracked, tick: PreviousCloseTick, today: int) -> Tracked:
    is_told = held.quote.previous_oi is not None and held.close_day >= today
    if is_told or not is_close(tick.previous_close):
        return held
    return replace(held, quote=updated(held.quote, tick), close_day=today)


def _priced(held: Tracked, tick: TickerTick | QuoteTick | FullTick, today: int) -> tuple[Tracked, TickFault | None]:
    fault = find_fault(tick.ltp, tick.ltt, _held_price(held), today=today)
    if fault is not None:
        jumps = held.jumps + 1 if fault is TickFault.JUMP else held.jumps
        return replace(held, is_suspect=held.is_suspect or fault.is_impossible, jumps=jumps), fault
    believed = replace(held, quote=updated(held.quote, tick), is_suspect=False, jumps=0)
    day_close = 0.0 if isinstance(tick, TickerTick) else tick.day_close
    return _of_the_day(believed, tick.ltt // DAY_SECONDS, day_close), None


def _of_the_day(held: Tracked, day: int, day_close: float) -> Tracked:
    """Let go of the previous close of an earlier day, and take the day's field for it."""
    if day <= held.close_day:
        return held
    if is_close(day_close):
        return replace(held, quote=replace(held.quote, previous_close=day_close, previous_oi=None), close_day=day)
    return replace(held, quote=replace(held.quote, previous_close=None, previous_oi=None))


def is_close(price: float) -> bool:
    """Whether a close is one: unknown ones come as zero."""
    return math.isfinite(price) and price > 0


def _held_price(held: Tracked) -> HeldPrice:
    quote = held.quote
    return HeldPrice(
        ltp=quote.ltp or 0.0,
        ltt=quote.ltt or 0,
        previous_close=quote.previous_close or 0.0,
        is_steady=quote.key.segment in STEADY_SEGMENTS,
        jumps=held.jumps,
    )
