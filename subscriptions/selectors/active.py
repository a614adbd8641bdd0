"""Active subscriptions, one row per instrument: a page of them, or one by its token.

Pages are read by key, so rows inserted or deleted between two pages cause no repeated and no skipped row. The claims
on a subscription are counted, not named: traders do not see one another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Count

from marketdata import selectors as market_selectors
from marketdata.domain.errors import DomainError
from marketdata.domain.feed import ConnectionState
from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Mode
from marketdata.selectors import FullQuote
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import ClaimLeg, Subscription
from subscriptions.selectors.connections import list_reported_connections


class NotSubscribed(DomainError):
    """The instrument is listed, but not subscribed."""

    code = "not_subscribed"


@dataclass(frozen=True, slots=True)
class ActiveSubscription:
    """One subscribed instrument, the number of claims that hold it and the state of its connection."""

    subscription_id: int
    instrument_id: int
    token: str
    key: InstrumentKey
    underlying: str
    exchange: Exchange
    connection: int
    leaving_connection: int | None
    state: ConnectionState
    tier: Tier
    mode: Mode
    since: datetime
    claims: int


@dataclass(frozen=True, slots=True)
class ActivePage:
    """One page; `count` rows match the filters in all, and `next_after` is the cursor of the next page."""

    count: int
    rows: Sequence[ActiveSubscription]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class SubscriptionDetail:
    """One subscription, its claims counted by kind, and its newest quote with depth."""

    subscription: ActiveSubscription
    claims_by_kind: Mapping[ClaimKind, int]
    quote: FullQuote | None


def list_active(
    *,
    tier: Tier | None = None,
    connection: int | None = None,
    underlying: str | None = None,
    after: int = 0,
    limit: int,
) -> ActivePage:
    """Return at most `limit` subscriptions with an id above `after`, in the order of their creation."""
    rows = Subscription.objects.all()
    if tier is not None:
        rows = rows.filter(tier=tier)
    if connection is not None:
        rows = rows.filter(connection=connection)
    if underlying is not None:
        spellings = market_selectors.spell(underlying, None)
        rows = rows.filter(instrument__underlying_symbol__in=[one.symbol for one in spellings])
        exchange = spellings[-1].exchange
        rows = rows.filter(instrument__exchange=exchange) if exchange else rows
    # One row more than asked for shows whether there is a next page.
    found = list(rows.filter(pk__gt=after).order_by("pk").values_list(*_COLUMNS)[: limit + 1])
    shown = _describe(found[:limit])
    return ActivePage(rows.count(), shown, shown[-1].subscription_id if len(found) > limit else None)


def get_active(*, token: str) -> SubscriptionDetail:
    """Return the subscription of one instrument, by token or by key. Raises UnknownSymbol, NotSubscribed."""
    instrument = market_selectors.get_instrument(name=token)
    found = Subscription.objects.filter(instrument=instrument.pk).values_list(*_COLUMNS).first()
    if found is None:
        target = Exchange(instrument.exchange), instrument.underlying_symbol
        (is_prefixed,) = market_selectors.is_token_prefixed([target])
        named = f"{instrument.exchange}:{instrument.token}" if is_prefixed else instrument.token
        raise NotSubscribed(f"{named} is listed, but not subscribed.", token=named)
    (subscription,) = _describe([found])
    legs = ClaimLeg.objects.filter(subscription=subscription.subscription_id)
    kinds = legs.values_list("claim__kind").annotate(count=Count("pk"))
    return SubscriptionDetail(
        subscription=subscription,
        claims_by_kind={ClaimKind(kind): count for kind, count in kinds.order_by("claim__kind")},
        quote=market_selectors.find_full_quote(instrument_id=instrument.pk, tick_size=instrument.tick_size),
    )


# Columns and no objects: to build 400 of Django's for a page of 200 costs more than its statements.
_COLUMNS: Final = (
    "pk",
    "instrument_id",
    "connection_id",
    "leaving_connection_id",
    "tier",
    "mode",
    "since",
    "instrument__token",
    "instrument__exchange",
    "instrument__exchange_segment",
    "instrument__security_id",
    "instrument__underlying_symbol",
)

# Counted for the rows of the page alone: an annotation would group the whole table first.
_COUNT_CLAIMS: Final = "SELECT subscription_id, count(*) FROM claim_legs WHERE subscription_id = ANY(%s) GROUP BY 1"


def _describe(rows: Sequence[tuple[Any, ...]]) -> Sequence[ActiveSubscription]:
    """Return the subscriptions of `rows`, which have _COLUMNS."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_CLAIMS, [[row[0] for row in rows]])
        claims = dict(cursor.fetchall())
    states = {one.number: one.state for one in list_reported_connections()}
    prefixed = market_selectors.is_token_prefixed([(Exchange(row[8]), row[11]) for row in rows])
    return [
        ActiveSubscription(
            subscription_id=pk,
            instrument_id=instrument_id,
            token=f"{exchange}:{token}" if is_prefixed else token,
            key=InstrumentKey(ExchangeSegment(segment), security_id),
            underlying=underlying,
            exchange=Exchange(exchange),
            connection=number,
            leaving_connection=leaving,
            state=states[number],
            tier=Tier(tier),
            mode=Mode(mode),
            since=since,
            claims=claims.get(pk, 0),
        )
        for (
            (pk, instrument_id, number, leaving, tier, mode, since, token, exchange, segment, security_id, underlying),
            is_prefixed,
        ) in zip(rows, prefixed, strict=True)
    ]
