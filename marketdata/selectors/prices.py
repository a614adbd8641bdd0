"""Prices: newest quotes from the quote board.

Every price states its source and its time. An unknown value is None, never zero.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import numpy as np
from django.utils import timezone

from marketdata import quote_board
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.prices import known_price, price_change
from marketdata.domain.quote_rows import CLOSE_KNOWN, QUOTE_ROW, Known
from marketdata.domain.quote_state import QuoteState, facts_of, judge_quote, list_closed
from marketdata.domain.sessions import IST, SessionBook
from marketdata.selectors.sessions import read_calendar


class PriceSource(StrEnum):
    """Source of a price, best first."""

    QUOTE = "quote"  # packets of the live feed
    SNAPSHOT = "snapshot"  # the broker's REST API
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


@dataclass(frozen=True, slots=True)
class PlainQuote:
    """Newest known quote of one instrument, prices in rupees; None is unknown."""

    source: PriceSource
    at: datetime
    state: QuoteState = QuoteState.STALE
    ltp: Decimal | None = None
    change: Decimal | None = None
    change_percent: Decimal | None = None
    bid: Decimal | None = None
    bid_quantity: int | None = None
    ask: Decimal | None = None
    ask_quantity: int | None = None
    volume: int | None = None
    oi: int | None = None
    day_open: Decimal | None = None
    day_high: Decimal | None = None
    day_low: Decimal | None = None
    previous_close: Decimal | None = None


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
            prices[instrument_id] = Price(ltp, _source(known), _received_at(row))
    return prices


def list_quotes(*, tick_sizes: Mapping[int, Decimal]) -> Mapping[int, PlainQuote]:
    """Return the newest quotes by instrument id, rounded to the given tick sizes; at most one database query."""
    board = quote_board.connect()
    rows = board.read_cached(tick_sizes)
    if not rows:
        return {}
    judge = _read_judge(board, [row for _, row in rows.values()], timezone.now())
    return {
        instrument_id: _plain(row, tick_sizes[instrument_id], judge(number, row))
        for instrument_id, (number, row) in rows.items()
    }


def _read_judge(
    board: quote_board.QuoteBoard, rows: Iterable[np.void], now: datetime
) -> Callable[[int, np.void], QuoteState]:
    """Return the function that judges each of `rows`, from the owners' reports and the calendar at `now`."""
    reports = board.list_reports()
    report_of = {report.connection: report for report in reports}
    now_ms = round(now.timestamp() * 1_000)
    ticking = {ExchangeSegment(one) for report in reports for one in report.ticking}
    # Trades outrank the calendar. So in market hours, when polls are frequent, most calls read no calendar at all.
    silent = {ExchangeSegment(int(row["segment"])) for row in rows} - ticking
    book = read_calendar(about=now.astimezone(IST).date(), segments=silent) if silent else SessionBook()
    closed = list_closed(book, ticking=ticking, now=now)

    def judge(number: int, row: np.void) -> QuoteState:
        facts = facts_of(int(row["known"]), ltp=float(row["ltp"]), received_at=_received_at(row))
        closed_since = closed.get(ExchangeSegment(int(row["segment"])))
        report = report_of.get(number)
        is_live = report is not None and report.is_live_at(received_at_ms=int(row["received_at_ms"]), now_ms=now_ms)
        return judge_quote(facts, is_connection_live=is_live, closed_since=closed_since)

    return judge


_AT: Final = {name: position for position, name in enumerate(QUOTE_ROW.names or ())}


def _plain(row: np.void, tick_size: Decimal, state: QuoteState) -> PlainQuote:
    # One call for all fields: picking them one by one costs 20 times as much, and a chain has 202 legs.
    values = row.item()
    known = values[_AT["known"]]
    ltp = known_price(values[_AT["ltp"]], tick_size) if known & Known.TRADE else None
    previous_close = known_price(values[_AT["previous_close"]], tick_size) if known & CLOSE_KNOWN else None
    change = price_change(ltp, previous_close)
    has_day = bool(known & Known.DAY)
    best = row["depth"][0].item() if known & Known.DEPTH else (None, None, 0, 0, 0.0, 0.0)
    return PlainQuote(
        source=_source(known),
        state=state,
        at=datetime.fromtimestamp(values[_AT["received_at_ms"]] / 1000, tz=UTC),
        ltp=ltp,
        change=change.rupees,
        change_percent=change.percent,
        bid=known_price(best[4], tick_size),
        bid_quantity=best[0],
        ask=known_price(best[5], tick_size),
        ask_quantity=best[1],
        volume=values[_AT["volume"]] if has_day else None,
        oi=values[_AT["oi"]] if known & Known.OI else None,
        day_open=known_price(values[_AT["day_open"]], tick_size) if has_day else None,
        day_high=known_price(values[_AT["day_high"]], tick_size) if has_day else None,
        day_low=known_price(values[_AT["day_low"]], tick_size) if has_day else None,
        previous_close=previous_close,
    )


def _received_at(row: np.void) -> datetime:
    return datetime.fromtimestamp(int(row["received_at_ms"]) / 1000, tz=UTC)


def _source(known: int) -> PriceSource:
    if known & Known.EARLIER:
        return PriceSource.EARLIER
    return PriceSource.SNAPSHOT if known & Known.SNAPSHOT else PriceSource.QUOTE
