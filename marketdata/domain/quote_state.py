"""The state of a quote: how far its price can be trusted. The only place that decides it.

    waiting   no price has been received
    suspect   the newest price was rejected as invalid; the price shown is the one before
    stale     the price may be old: its connection is not live, or no connection streams it
    closed    the segment is closed, and the price is the last one of the session
    live      none of the others

The state depends on the quote, its connection and the market session, and changes with each of them without a packet.
It is therefore computed where it is shown and never stored. The browser's twin is `judgeQuote` in
`static/marketdata/quotes.js`; both are tested with the cases of `tests/data/quote_states.json`. The calendar says
whether a segment is closed, except where trades are observed (`SegmentActivity`).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quote_rows import Known
from marketdata.domain.sessions import SessionBook

# Chosen: far longer than the gap between two trades of a whole segment, short against a session. Feed workers and their
# readers each apply it, so a segment counts as open for at most twice as long after its last trade.
TICKING_SECONDS: Final = 30.0


class QuoteState(StrEnum):
    """How far the price of a quote can be trusted."""

    WAITING = "waiting"
    LIVE = "live"
    STALE = "stale"
    SUSPECT = "suspect"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class QuoteFacts:
    """The parts of a quote that its state depends on. `is_current`: the price came on the socket that is open now."""

    has_price: bool
    is_suspect: bool
    is_current: bool
    received_at: datetime | None


def facts_of(known: int, *, ltp: float, received_at: datetime | None) -> QuoteFacts:
    """Return the facts of a quote row, from its `known` flags and its price."""
    return QuoteFacts(
        # An instrument that has not traded today can come with a price of 0, which is no price to show.
        has_price=bool(known & Known.TRADE) and ltp > 0,
        is_suspect=bool(known & Known.SUSPECT),
        is_current=not known & Known.EARLIER,
        received_at=received_at,
    )


def judge_quote(quote: QuoteFacts, *, is_connection_live: bool, closed_since: datetime | None) -> QuoteState:
    """Return the state of a quote.

    `is_connection_live` is of the connection that streams the quote. `closed_since` is the end of the segment's last
    session, None while the segment is open.
    """
    # A suspect quote comes first: its older price must not look live, even on a live connection.
    if quote.is_suspect:
        return QuoteState.SUSPECT
    if not quote.has_price:
        return QuoteState.WAITING
    # Both are needed: after a reconnect the connection is live at once, but until its next packet a price is the former
    # socket's.
    is_from_connection = is_connection_live and quote.is_current
    if closed_since is not None:
        # A price received after the close is the closing price, whatever happens to the connection afterwards.
        is_last = is_from_connection or (quote.received_at is not None and quote.received_at >= closed_since)
        return QuoteState.CLOSED if is_last else QuoteState.STALE
    return QuoteState.LIVE if is_from_connection else QuoteState.STALE


def list_closed(
    book: SessionBook, *, ticking: Collection[ExchangeSegment], now: datetime
) -> dict[ExchangeSegment, datetime]:
    """Return the closed segments and the end of their last session. A segment in `ticking` is open in any case."""
    # Trades override the calendar: a session that it does not have must not show moving prices as closed.
    since = {one: book.closed_since(one, now) for one in ExchangeSegment if one not in ticking}
    return {segment: moment for segment, moment in since.items() if moment is not None}


def list_changes(
    book: SessionBook, *, closed: Collection[ExchangeSegment], now: datetime
) -> dict[ExchangeSegment, datetime | None]:
    """Return for each segment when it opens, if it is in `closed`, else when it closes; None where nobody knows."""
    # A segment that trades although the calendar has it closed has no known end.
    return {one: book.next_opening(one, now) if one in closed else book.closes_at(one, now) for one in ExchangeSegment}


class SegmentActivity:
    """Which segments trade now: those with an instrument that traded twice within seconds (`TradeLags`).

    `now` is in monotonic seconds.
    """

    # Only trade times are compared with one another: a wrong host clock neither opens nor closes a market, and closing
    # prices that the broker sends again on a new socket are not trades.

    def __init__(self) -> None:
        self._traded_at: dict[ExchangeSegment, float] = {}

    def note(self, segments: Iterable[int], *, now: float) -> None:
        """Record a trade in each of `segments`."""
        self._traded_at |= dict.fromkeys(map(ExchangeSegment, segments), now)

    def list_ticking(self, *, now: float) -> frozenset[ExchangeSegment]:
        """Return the segments with a trade in the last TICKING_SECONDS."""
        return frozenset(one for one, at in self._traded_at.items() if now - at <= TICKING_SECONDS)
