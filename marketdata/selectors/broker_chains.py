"""The broker's option chains, from the rest board, and the quotes in them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np

from marketdata import rest_board
from marketdata.domain.broker_chains import BrokerChain, is_of_session
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.domain.prices import known_price, price_change
from marketdata.domain.quote_state import QuoteFacts, judge_quote
from marketdata.domain.sessions import IST, SessionBook
from marketdata.selectors.prices import PlainQuote, PriceSource
from marketdata.selectors.sessions import read_calendar

NO_CHAINS: Mapping[SeriesKey, BrokerChain] = {}


def list_broker_chains(
    *,
    series: Collection[SeriesKey],
    now: datetime,
    held: Mapping[SeriesKey, BrokerChain] = NO_CHAINS,
    calendar: SessionBook | None = None,
) -> Mapping[SeriesKey, BrokerChain]:
    """Return the chains of these series that belong to the session that runs at `now`, or ended last.

    Of the chains in `held`, those that are still the newest are returned unread. Reads the `calendar` around `now`
    unless it is given. Raises BoardError.
    """
    board = rest_board.connect()
    if calendar is None:
        calendar = read_calendar(about=now.astimezone(IST).date())
    times = {
        one: at for one, at in board.list_chain_times(series).items() if is_of_session(one.segment, at, calendar, now)
    }
    kept = {one: held[one] for one, at in times.items() if one in held and held[one].received_at == at}
    return kept | dict(board.read_chains([one for one in times if one not in kept]))


def list_chain_quotes(
    *, chain: BrokerChain, segment: ExchangeSegment, tick_sizes: Mapping[int, Decimal], now: datetime
) -> Mapping[int, PlainQuote]:
    """Return the quotes in a chain by instrument id, of those in `tick_sizes`; none of them streams.

    They are `stale`, or `closed` if the chain was received after the close.
    """
    closed_since = read_calendar(about=now.astimezone(IST).date()).closed_since(segment, now)
    quotes = {}
    for row in chain.rows[np.isin(chain.rows["instrument_id"], list(tick_sizes))]:
        instrument_id = int(row["instrument_id"])
        tick = tick_sizes[instrument_id]
        ltp, close, bid, ask = (known_price(float(row[one]), tick) for one in ("ltp", "previous_close", "bid", "ask"))
        facts = QuoteFacts(has_price=ltp is not None, is_suspect=False, is_current=False, received_at=chain.received_at)
        change = price_change(ltp, close)
        quotes[instrument_id] = PlainQuote(
            source=PriceSource.CHAIN,
            at=chain.received_at,
            state=judge_quote(facts, is_connection_live=False, closed_since=closed_since),
            ltp=_double(ltp),
            change=_double(change.rupees),
            change_percent=_double(change.percent),
            bid=_double(bid),
            ask=_double(ask),
            volume=_whole(row["volume"]),
            oi=_whole(row["oi"]),
            previous_close=_double(close),
            **_NOT_IN_CHAINS,
        )
    return quotes


_NOT_IN_CHAINS: Final[Mapping[str, None]] = dict.fromkeys(
    ("bid_quantity", "ask_quantity", "day_open", "day_high", "day_low")
)


def _double(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _whole(value: np.float64) -> int | None:
    return None if np.isnan(value) else int(value)
