"""How far a price may be trusted, in one word: the only place that decides it.

    waiting   nobody has heard a price of it
    suspect   the newest packet of it was impossible; what is shown is the last good price
    stale     the price may be old: its connection is not live, or nothing streams it
    closed    its segment is closed and this is the last price of the session
    live      none of the others

A state is worked out where it is shown, from the quote, from the connection it came on and from the session: it changes
when any of them does, without a packet. The browser works it out from the same facts with the twin of `judge_quote` in
`static/marketdata/quotes.js`; both are held to the cases in `tests/data/quote_states.json`. Whether a segment is
closed is the calendar's to say, unless trades are seen there: `Pulse`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quote_rows import Known
from marketdata.domain.sessions import SessionBook

TICKING_SECONDS: Final = 30.0
"""A segment in which nothing was traded for this long goes by the calendar; owners and readers each wait as long."""


class InstrumentState(StrEnum):
    """How far what is shown of an instrument may be trusted."""

    WAITING = "waiting"
    LIVE = "live"
    STALE = "stale"
    SUSPECT = "suspect"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class QuoteFacts:
    """What of a quote matters to its state. `is_current`: the price is of the socket that is open now."""

    has_price: bool
    is_suspect: bool
    is_current: bool
    heard_at: datetime | None


def facts_of(known: int, *, ltp: float, heard_at: datetime | None) -> QuoteFacts:
    """Return what the groups of a row and its price say."""
    return QuoteFacts(
        has_price=bool(known & Known.TRADE) and ltp > 0,
        is_suspect=bool(known & Known.SUSPECT),
        is_current=not known & Known.EARLIER,
        heard_at=heard_at,
    )


def judge_quote(quote: QuoteFacts, *, is_line_live: bool, closed_since: datetime | None) -> InstrumentState:
    """Return the state of a quote.

    `is_line_live` is whether the connection that streams it is live; `closed_since` is when its segment's last session
    ended, None while it is open. A price heard after the close stays the closing price whatever the line does since.
    """
    if quote.is_suspect:
        return InstrumentState.SUSPECT
    if not quote.has_price:
        return InstrumentState.WAITING
    is_from_line = is_line_live and quote.is_current
    if closed_since is not None:
        is_last = is_from_line or (quote.heard_at is not None and quote.heard_at >= closed_since)
        return InstrumentState.CLOSED if is_last else InstrumentState.STALE
    return InstrumentState.LIVE if is_from_line else InstrumentState.STALE


def list_closed(
    book: SessionBook, *, ticking: Collection[ExchangeSegment], now: datetime
) -> dict[ExchangeSegment, datetime]:
    """Return the closed segments and since when; one in which trades are seen is not closed, whatever rows say."""
    since = {one: book.closed_since(one, now) for one in ExchangeSegment if one not in ticking}
    return {segment: moment for segment, moment in since.items() if moment is not None}


class Pulse:
    """Remembers which segments trade: those in which an instrument traded twice within seconds (`TradeLags`).

    The host's clock has no say in it, so one that is wrong neither opens nor closes a market; closing prices that a
    broker repeats to a new socket are no trades. Times are the caller's monotonic seconds.
    """

    def __init__(self) -> None:
        self._traded_at: dict[ExchangeSegment, float] = {}

    def note(self, segments: Iterable[int], *, now: float) -> None:
        """Note that these segments trade."""
        self._traded_at |= dict.fromkeys(map(ExchangeSegment, segments), now)

    def list_ticking(self, *, now: float) -> frozenset[ExchangeSegment]:
        """Return the segments that traded within TICKING_SECONDS."""
        return frozenset(one for one, at in self._traded_at.items() if now - at <= TICKING_SECONDS)
