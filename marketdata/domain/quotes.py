"""Ticks, quotes and depth as values, and how a tick updates a quote.

A `Quote` is the known state of one instrument; a `Tick` is the content of one packet, one class per packet kind.
`updated` is the definition of an update. `marketdata.dhan.quote_table` does the same for a whole flush; a property test
compares them.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from marketdata.domain.instruments import InstrumentKey


class Mode(StrEnum):
    """Amount of data that the broker sends for a subscription."""

    TICKER = "ticker"
    QUOTE = "quote"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class DepthLevel:
    """One of five price levels, best first; quantities are in units, on MCX in lots."""

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

    # Here and below: prices are float32 rupees as received, not rounded; `ltt` is in seconds of the IST wall clock,
    # written as if IST were UTC (docs/dhan.md).
    key: InstrumentKey
    ltp: float
    ltt: int


@dataclass(frozen=True, slots=True)
class PreviousCloseTick:
    """Close and open interest of the previous trading day; sent once after a subscription."""

    key: InstrumentKey
    previous_close: float
    previous_oi: int


@dataclass(frozen=True, slots=True)
class OiTick:
    """Open interest; a separate packet for derivatives in quote mode."""

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
    """Newest known state of one instrument; None means unknown."""

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
    """Return `quote` with the fields of `tick`; its other fields stay."""
    # The later arrival wins: LTT has a resolution of one second and repeats, so it cannot order ticks (docs/dhan.md).
    if tick.key != quote.key:
        raise ValueError(f"tick of {tick.key} for quote of {quote.key}")
    # Each field of a tick has the name of the field of the quote that it replaces.
    fields = {name: getattr(tick, name) for name in tick.__slots__ if name != "key"}
    return replace(quote, **fields)
