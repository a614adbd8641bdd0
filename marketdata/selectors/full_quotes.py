"""The whole newest quote of one instrument: with depth and the day so far, which lists of quotes leave out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from marketdata import quote_board
from marketdata.dhan.packets import IST_OFFSET_SECONDS
from marketdata.domain.prices import known_price
from marketdata.domain.quote_rows import Known
from marketdata.domain.tick_rules import FIRST_REAL_LTT
from marketdata.selectors.prices import PlainQuote, quotes_in

PAISA: Final = Decimal("0.01")  # the unit of an average, which is not on the tick of its instrument


class Level(NamedTuple):
    """One level of one side of the depth, best first: rupees, units (on MCX lots), orders."""

    price: float
    quantity: int
    orders: int


@dataclass(frozen=True, slots=True)
class FullQuote:
    """A quote, and what a full packet has beside it; None is unknown. `bids` and `asks` lack empty levels."""

    quote: PlainQuote
    bids: tuple[Level, ...] | None
    asks: tuple[Level, ...] | None
    last_trade_at: datetime | None
    last_quantity: int | None
    average_price: float | None
    total_bid_quantity: int | None
    total_ask_quantity: int | None
    oi_day_high: int | None
    oi_day_low: int | None


def find_full_quote(*, instrument_id: int, tick_size: Decimal) -> FullQuote | None:
    """Return the newest quote of an instrument, its prices rounded to the tick size; None if the board has none."""
    board = quote_board.connect()
    numbers, rows = board.read_rows([instrument_id])
    if not numbers:
        return None
    quote, row = quotes_in(board, numbers, rows, {instrument_id: tick_size})[instrument_id], rows[0]
    known = Known(int(row["known"]))
    has_day, has_depth, ltt = Known.DAY in known, Known.DEPTH in known, int(row["ltt"])
    # Both are 0 before the exchange has published any open interest of the day.
    has_range = Known.OI_RANGE in known and row["oi_day_high"] > 0
    has_time = Known.TRADE in known and ltt >= FIRST_REAL_LTT
    return FullQuote(
        quote=quote,
        bids=_levels(row["depth"], "bid", tick_size) if has_depth else None,
        asks=_levels(row["depth"], "ask", tick_size) if has_depth else None,
        last_trade_at=datetime.fromtimestamp(ltt - IST_OFFSET_SECONDS, tz=UTC) if has_time else None,
        # No trade has a quantity of zero: the broker sends it before the first one of the day.
        last_quantity=int(row["ltq"]) or None if has_day else None,
        average_price=_price(row["average_price"], PAISA) if has_day else None,
        total_bid_quantity=int(row["total_buy_quantity"]) if has_day else None,
        total_ask_quantity=int(row["total_sell_quantity"]) if has_day else None,
        oi_day_high=int(row["oi_day_high"]) if has_range else None,
        oi_day_low=int(row["oi_day_low"]) if has_range else None,
    )


def _levels(depth: Iterable[np.void], side: str, tick_size: Decimal) -> tuple[Level, ...]:
    """Return the levels of one side that have an order."""
    found = (
        (_price(level[f"{side}_price"], tick_size), int(level[f"{side}_quantity"]), int(level[f"{side}_orders"]))
        for level in depth
    )
    return tuple(Level(price, quantity, orders) for price, quantity, orders in found if price is not None)


def _price(value: np.float32, tick_size: Decimal) -> float | None:
    price = known_price(float(value), tick_size)
    return None if price is None else float(price)
