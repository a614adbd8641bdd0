"""Ticks, quotes and depth as values: what the broker says of one instrument, and how news updates it.

A `Quote` is everything known of one instrument; each `Tick` kind carries what one packet says. The rule
of `updated` is the definition; `marketdata.dhan.quote_table` does the same for whole windows at once and
is held to this by a property test. Prices are the broker's float32 values, in rupees, unrounded; times are
the broker's own seconds (`ltt`, IST wall clock written as if UTC).
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from marketdata.domain.instruments import InstrumentKey


class Mode(StrEnum):
    """How much the broker sends for a subscription."""

    TICKER = "ticker"
    QUOTE = "quote"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class DepthLevel:
    """One of five price levels, best first; quantities in units (lots on MCX)."""

    bid_quantity: int
    ask_quantity: int
    bid_orders: int
    ask_orders: int
    bid_price: float
    ask_price: float


Depth = tuple[DepthLevel, DepthLevel, DepthLevel, DepthLevel, DepthLevel]


@dataclass(frozen=True, slots=True)
class TickerTick:
    """Last trade only."""

    key: InstrumentKey
    ltp: float
    ltt: int


@dataclass(frozen=True, slots=True)
class PreviousCloseTick:
    """Yesterday's close and open interest, sent once after subscribing."""

    key: InstrumentKey
    previous_close: float
    previous_oi: int


@dataclass(frozen=True, slots=True)
class OiTick:
    """Open interest, sent beside quotes of derivatives."""

    key: InstrumentKey
    oi: int


@dataclass(frozen=True, slots=True)
class QuoteTick:
    """Last trade and the day so far."""

    key: InstrumentKey
    ltp: float
    ltq: int
    ltt: int
    average_price: float
    volume: int
    total_sell_quantity: int
    total_buy_quantity: int
    day_open: float
    day_close: float
    day_high: float
    day_low: float


@dataclass(frozen=True, slots=True)
class FullTick:
    """Last trade, the day so far, open interest and five levels of depth."""

    key: InstrumentKey
    ltp: float
    ltq: int
    ltt: int
    average_price: float
    volume: int
    total_sell_quantity: int
    total_buy_quantity: int
    oi: int
    oi_day_high: int
    oi_day_low: int
    day_open: float
    day_close: float
    day_high: float
    day_low: float
    depth: Depth


Tick = TickerTick | PreviousCloseTick | OiTick | QuoteTick | FullTick


@dataclass(frozen=True, slots=True)
class Quote:
    """Newest known state of one instrument; None is unknown, never zero."""

    key: InstrumentKey
    ltp: float | None = None
    ltq: int | None = None
    ltt: int | None = None
    average_price: float | None = None
    volume: int | None = None
    total_sell_quantity: int | None = None
    total_buy_quantity: int | None = None
    oi: int | None = None
    oi_day_high: int | None = None
    oi_day_low: int | None = None
    day_open: float | None = None
    day_close: float | None = None
    day_high: float | None = None
    day_low: float | None = None
    depth: Depth | None = None
    previous_close: float | None = None
    previous_oi: int | None = None


def updated(quote: Quote, tick: Tick) -> Quote:
    """Return `quote` with what `tick` says; fields that `tick` does not carry stay.

    Arrival order decides: the broker's LTT has one-second resolution and repeats.
    """
    if tick.key != quote.key:
        raise ValueError(f"tick of {tick.key} for quote of {quote.key}")
    fields = {name: getattr(tick, name) for name in tick.__slots__ if name != "key"}
    return replace(quote, **fields)
