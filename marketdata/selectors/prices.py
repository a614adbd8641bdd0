"""Prices: newest quotes from the quote board.

Every price states its source and its time. An unknown value is None, never zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from django.utils import timezone

from marketdata import quote_board
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.prices import UNITS, Units, change_units, known_price, price_units
from marketdata.domain.quote_rows import CLOSE_KNOWN, Known, Rows, has_group
from marketdata.domain.quote_state import QuoteState, facts_of, judge_quote, list_closed
from marketdata.domain.sessions import IST, SessionBook
from marketdata.selectors.sessions import read_calendar


class PriceSource(StrEnum):
    """Source of a price, best first."""

    QUOTE = "quote"  # packets of the live feed
    SNAPSHOT = "snapshot"  # the broker's REST API
    CHAIN = "chain"  # the broker's option chain, of an instrument that does not stream
    EARLIER = "earlier"  # packets of a former socket; the open one has brought none yet
    CALLER = "caller"
    CACHE = "cache"  # the price of the last calculation of a window


class PriceUnknown(DomainError):
    """No source knows the price to center a chain on."""

    code = "no_price"


@dataclass(frozen=True, slots=True)
class Price:
    """A price in rupees, its source, and the time of its packet or answer."""

    ltp: Decimal
    source: PriceSource
    at: datetime | None = None


class PlainQuote(NamedTuple):
    """Newest known quote of one instrument; None is unknown.

    Prices in rupees, as the double next to the exact price: it prints as the exact price does.
    """

    source: PriceSource
    at: datetime
    state: QuoteState
    ltp: float | None
    change: float | None
    change_percent: float | None
    bid: float | None
    bid_quantity: int | None
    ask: float | None
    ask_quantity: int | None
    volume: int | None
    oi: int | None
    day_open: float | None
    day_high: float | None
    day_low: float | None
    previous_close: float | None


def list_ltps(*, instrument_ids: Iterable[int]) -> Mapping[int, Decimal]:
    """Return the last traded prices on the quote board, without those of a former socket (`EARLIER`)."""
    prices = list_prices(instrument_ids=instrument_ids)
    return {one: price.ltp for one, price in prices.items() if price.source is not PriceSource.EARLIER}


def list_prices(*, instrument_ids: Iterable[int]) -> Mapping[int, Price]:
    """Return the last traded prices on the quote board, by instrument id; runs no database query."""
    prices: dict[int, Price] = {}
    for instrument_id, (_, row) in quote_board.connect().read_cached(instrument_ids).items():
        ltp, known = known_price(float(row["ltp"])), int(row["known"])
        if ltp is not None and known & Known.TRADE:
            prices[instrument_id] = Price(ltp, _SOURCES[known & _SOURCE_FLAGS], _time(int(row["received_at_ms"])))
    return prices


def list_quotes(*, tick_sizes: Mapping[int, Decimal]) -> Mapping[int, PlainQuote]:
    """Return the newest quotes by instrument id, rounded to the given tick sizes; at most one database query."""
    board = quote_board.connect()
    numbers, rows = board.read_rows(tick_sizes)
    return quotes_in(board, numbers, rows, tick_sizes) if numbers else {}


def quotes_in(
    board: quote_board.QuoteBoard, numbers: Sequence[int], rows: Rows, tick_sizes: Mapping[int, Decimal]
) -> Mapping[int, PlainQuote]:
    """Return the quotes in rows of the board, which have these connection numbers, by instrument id."""
    ids = rows["instrument_id"].tolist()
    ticks = np.array([int(tick_sizes[one] * UNITS) for one in ids])
    columns = _columns(rows, ticks) | {"state": _judge(board, numbers, rows, timezone.now())}
    fields = [columns[name] for name in PlainQuote._fields]
    return dict(zip(ids, map(PlainQuote, *fields), strict=True))


def _judge(board: quote_board.QuoteBoard, numbers: Sequence[int], rows: Rows, now: datetime) -> Sequence[QuoteState]:
    """Return the state of each row, from the owners' reports and the calendar at `now`."""
    reports = board.list_reports()
    report_of = {report.connection: report for report in reports}
    now_ms = round(now.timestamp() * 1_000)
    ticking = {ExchangeSegment(one) for report in reports for one in report.ticking}
    # Trades outrank the calendar. So in market hours, when polls are frequent, most calls read no calendar at all.
    silent = {ExchangeSegment(one) for one in np.unique(rows["segment"]).tolist()} - ticking
    book = read_calendar(about=now.astimezone(IST).date(), segments=silent) if silent else SessionBook()
    closed = list_closed(book, ticking=ticking, now=now)

    closed_ms = {int(segment): since.timestamp() * 1_000 for segment, since in closed.items()}
    # Of hundreds of rows most agree in everything that a state depends on: each difference is judged once.
    states: dict[tuple[object, ...], QuoteState] = {}

    def judge(number: int, known: int, ltp: float, segment: int, received_at_ms: int) -> QuoteState:
        report = report_of.get(number)
        is_live = report is not None and report.is_live_at(received_at_ms=received_at_ms, now_ms=now_ms)
        key = known, ltp > 0, segment, is_live, received_at_ms >= closed_ms.get(segment, 0)
        if key not in states:
            facts = facts_of(known, ltp=ltp, received_at=_time(received_at_ms))
            closed_since = closed.get(ExchangeSegment(segment))
            states[key] = judge_quote(facts, is_connection_live=is_live, closed_since=closed_since)
        return states[key]

    return list(map(judge, numbers, *(rows[one].tolist() for one in ("known", "ltp", "segment", "received_at_ms"))))


def _columns(rows: Rows, ticks: Units) -> dict[str, Sequence[Any]]:
    """Return the fields of the quotes, a value for each row; `ticks` are the tick sizes in units."""
    depth = rows["depth"][:, 0]
    prices = np.stack(
        [
            *(rows[one] for one in ("ltp", "previous_close", "day_open", "day_high", "day_low")),
            depth["bid_price"],
            depth["ask_price"],
        ]
    )
    units = price_units(prices, np.broadcast_to(ticks, prices.shape))
    has_trade, has_close, has_day, has_depth = (
        has_group(rows, one) for one in (Known.TRADE, CLOSE_KNOWN, Known.DAY, Known.DEPTH)
    )
    units *= np.stack([has_trade, has_close, has_day, has_day, has_day, has_depth, has_depth])
    ltp, close, day_open, day_high, day_low, bid, ask = units
    change, percent = change_units(ltp, close)
    has_change = (ltp > 0) & (close > 0)
    return {
        "source": [_SOURCES[one] for one in (rows["known"] & _SOURCE_FLAGS).tolist()],
        "at": [_time(one) for one in rows["received_at_ms"].tolist()],
        "ltp": _where(ltp > 0, ltp / UNITS),
        "change": _where(has_change, change / UNITS),
        "change_percent": _where(has_change, percent / 100),
        "bid": _where(bid > 0, bid / UNITS),
        # A quantity of 0 is known: there is no order on that side.
        "bid_quantity": _where(has_depth, depth["bid_quantity"]),
        "ask": _where(ask > 0, ask / UNITS),
        "ask_quantity": _where(has_depth, depth["ask_quantity"]),
        "volume": _where(has_day, rows["volume"]),
        "oi": _where(has_group(rows, Known.OI), rows["oi"]),
        "day_open": _where(day_open > 0, day_open / UNITS),
        "day_high": _where(day_high > 0, day_high / UNITS),
        "day_low": _where(day_low > 0, day_low / UNITS),
        "previous_close": _where(close > 0, close / UNITS),
    }


def _where(is_known: npt.NDArray[np.bool_], values: npt.NDArray[Any]) -> Sequence[Any]:
    """Return `values` as Python numbers, with None where they are unknown."""
    return [value if one else None for one, value in zip(is_known.tolist(), values.tolist(), strict=True)]


def _time(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)


_SOURCE_FLAGS: Final = int(Known.EARLIER | Known.SNAPSHOT)
_SOURCES: Final = {
    0: PriceSource.QUOTE,
    int(Known.SNAPSHOT): PriceSource.SNAPSHOT,
    int(Known.EARLIER): PriceSource.EARLIER,
    _SOURCE_FLAGS: PriceSource.EARLIER,
}
