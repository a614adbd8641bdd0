"""`/status`: the terminal in a trader's words. Own limits, room on the feed, hours of the exchanges, what works.

It reads the selectors of the API and the checks of `/health`, in eight queries beside those of the login. A part that
is degraded or failing has one sentence that says what it means for a trader; the reason of `/health` follows, which
contains no secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import pages as accounts_pages
from accounts import selectors as accounts
from marketdata import quote_board
from marketdata import selectors as market
from marketdata.domain.feed import ConnectionState
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import IST, SessionBook
from marketdata.streaming import messages
from subscriptions import selectors as subscriptions
from subscriptions.domain.claims import ClaimKind
from subscriptions.selectors import QuotaClaim
from terminal.admission import sockets
from terminal.feed_health import Placement, check_feed, read_placement
from terminal.health import RedisReadings, check_analytics, check_instruments, read_redis
from terminal.health_parts import Part, Status

REFRESH_SECONDS: Final = 15
"""Chosen: a person reads the page, and 10 s is the least that is permitted."""

MARKETS: Final[Mapping[ExchangeSegment, str]] = {
    ExchangeSegment.NSE_EQ: "NSE shares",
    ExchangeSegment.NSE_FNO: "NSE futures and options",
    ExchangeSegment.BSE_EQ: "BSE shares",
    ExchangeSegment.BSE_FNO: "BSE futures and options",
    ExchangeSegment.MCX_COMM: "MCX commodities",
}
ORIGINS: Final[Mapping[ClaimKind, str]] = {
    ClaimKind.WATCHLIST: "your watchlist",
    ClaimKind.CHAIN: "the API",
}
WORDS: Final[Mapping[Status, str]] = {
    Status.OK: "works",
    Status.DEGRADED: "works, with a limitation",
    Status.FAILING: "does not work",
}
SENTENCES: Final[Mapping[tuple[str, Status], str]] = {
    ("Live prices", Status.DEGRADED): "Some prices come late, or have been requested a moment ago.",
    ("Live prices", Status.FAILING): "Prices are missing or stand still. What stands still is shown in gray.",
    ("Volatilities and Greeks", Status.DEGRADED): "They are shown as dashes. Prices are not affected.",
    ("List of instruments", Status.DEGRADED): "It may lack the newest contracts.",
    ("List of instruments", Status.FAILING): "Nothing can be searched or added.",
}


@dataclass(frozen=True, slots=True)
class UsedRow:
    """One line of a trader's claims: a chain or an instrument, where it was added, its instruments, those counted."""

    name: str
    origin: str
    legs: int
    counted: int


@dataclass(frozen=True, slots=True)
class MarketHours:
    """One market: whether it is open, and the next change, in IST; None where the calendar does not know it."""

    name: str
    is_open: bool
    changes_at: datetime | None


@dataclass(frozen=True, slots=True)
class StatusPart:
    """One part of the terminal: its status, what that means for a trader, and the reason."""

    name: str
    status: Status
    sentence: str
    reason: str

    @property
    def word(self) -> str:
        """The status in words."""
        return WORDS[self.status]


@require_safe
@never_cache
@login_required
def status(request: HttpRequest) -> HttpResponse:
    """Answer the status page."""
    now, user_id = timezone.now(), accounts_pages.user_id(request)
    use = subscriptions.read_quota_use(user_id=user_id)
    context = {
        "use": use,
        "used": f"{use.used:,} of {use.quota:,}, {use.left:,} left",
        "used_by": [describe_claim(one) for one in subscriptions.list_quota_claims(user_id=user_id)],
        "token_count": len(accounts.list_tokens(user_id=user_id, now=now)),
        "most_watched": f"{messages.MAX_INSTRUMENTS:,}",
        "is_full": sockets.is_full,
        "markets": list_market_hours(market.read_calendar(about=now.astimezone(IST).date()), now=now),
        **_read_feed(now),
        "refresh_seconds": REFRESH_SECONDS,
        "read_at": now.astimezone(IST),
    }
    return render(request, "status.html", context)


def describe_claim(claim: QuotaClaim) -> UsedRow:
    """Return a claim in a trader's words: `NIFTY 24 Feb 2026, 101 strikes`, or the token of one instrument."""
    chain = "" if claim.expiry is None else f" {claim.expiry:%-d %b %Y}, {claim.width} strikes"
    return UsedRow(f"{claim.name}{chain}", ORIGINS.get(claim.kind, claim.kind.value), claim.legs, claim.counted)


def list_market_hours(book: SessionBook, *, now: datetime) -> Sequence[MarketHours]:
    """Return each market with its next change after `now`."""
    return [
        MarketHours(name, closes is not None, closes or book.next_opening(segment, now))
        for segment, name in MARKETS.items()
        for closes in [book.closes_at(segment, now)]
    ]


def describe_parts(parts: Mapping[str, Part]) -> Sequence[StatusPart]:
    """Return the parts in a trader's words."""
    return [
        StatusPart(name, part.status, SENTENCES.get((name, part.status), ""), part.reason)
        for name, part in parts.items()
    ]


def _read_feed(now: datetime) -> dict[str, Any]:
    """Read both servers; without Redis the states are those that PostgreSQL recorded."""
    placement, redis = read_placement(), _read_redis()
    reports = redis.reports if redis else []
    feed = check_feed(placement, reports, {}) if redis else Part(Status.FAILING, "Redis does not answer")
    parts = {
        "Live prices": feed,
        "Volatilities and Greeks": check_analytics(redis, now=now),
        "List of instruments": check_instruments(market.find_last_import(), now=now),
    }
    streams = sum(one.total for one in placement.placed.values())
    capacity = sum(one.capacity for one in placement.connections)
    return {
        "parts": describe_parts(parts),
        "live": _count_live(placement, redis),
        "connections": len(placement.connections),
        "streams": streams,
        "capacity": capacity,
        "room": f"{streams:,} of {capacity:,}",
    }


def _count_live(placement: Placement, redis: RedisReadings | None) -> int:
    connections = placement.connections
    if redis is not None:
        reports = {one.report.connection: one.report for one in redis.reports}
        connections = [one.with_report(reports.get(one.number)) for one in connections]
    return sum(one.state is ConnectionState.LIVE for one in connections)


def _read_redis() -> RedisReadings | None:
    try:
        return read_redis()
    except quote_board.BoardError:
        # The page says that prices do not work; its other figures are PostgreSQL's.
        return None
