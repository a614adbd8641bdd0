"""What is subscribed, one instrument at a time: pages of it, or one by its token.

A page is read by key, so that rows which come and go between two pages neither repeat nor skip one that stays.
Who holds a subscription is told by number only: traders do not see each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet

from marketdata import selectors as market_selectors
from marketdata.domain.errors import DomainError
from marketdata.domain.feed import ConnectionState
from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Mode
from marketdata.domain.symbols import canonical_symbol, split_exchange
from marketdata.selectors import PlainQuote
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import ClaimLeg, Subscription
from subscriptions.selectors.connections import list_reported_connections


class NotSubscribed(DomainError):
    """An instrument that is listed and that nobody wants streamed."""

    code = "not_subscribed"


@dataclass(frozen=True, slots=True)
class ActiveSubscription:
    """One instrument that shall stream. `claims` is how many hold it; `state` is its connection's."""

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
    """Some of what is subscribed: `count` fit the filters in all, `next_after` begins the next page."""

    count: int
    rows: Sequence[ActiveSubscription]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class SubscriptionDetail:
    """One subscription with the claims that hold it, by kind, and its newest quote."""

    subscription: ActiveSubscription
    claims_by_kind: Mapping[ClaimKind, int]
    quote: PlainQuote | None


def list_active(
    *,
    tier: Tier | None = None,
    connection: int | None = None,
    underlying: str | None = None,
    after: int = 0,
    limit: int,
) -> ActivePage:
    """Return at most `limit` subscriptions behind the id `after`, in the order they were made."""
    rows = Subscription.objects.all()
    if tier is not None:
        rows = rows.filter(tier=tier)
    if connection is not None:
        rows = rows.filter(connection=connection)
    if underlying is not None:
        exchange, symbol = split_exchange(underlying)
        rows = rows.filter(instrument__underlying_symbol=canonical_symbol(symbol))
        rows = rows.filter(instrument__exchange=exchange) if exchange else rows
    found = list(rows.filter(pk__gt=after).select_related("instrument").order_by("pk")[: limit + 1])
    shown = found[:limit]
    return ActivePage(rows.count(), _describe(shown), shown[-1].pk if len(found) > limit else None)


def get_active(*, token: str) -> SubscriptionDetail:
    """Return the subscription of one instrument, by token or by key. Raises UnknownSymbol, NotSubscribed."""
    instrument = market_selectors.get_instrument(name=token)
    rows: QuerySet[Subscription] = Subscription.objects.filter(instrument=instrument.pk).select_related("instrument")
    found = rows.first()
    if found is None:
        thing = Exchange(instrument.exchange), instrument.underlying_symbol
        (is_prefixed,) = market_selectors.is_token_prefixed([thing])
        named = f"{instrument.exchange}:{instrument.token}" if is_prefixed else instrument.token
        raise NotSubscribed(f"{named} is listed, and nobody has it streamed.", token=named)
    kinds = ClaimLeg.objects.filter(subscription=found).values_list("claim__kind").annotate(count=Count("pk"))
    return SubscriptionDetail(
        subscription=_describe([found])[0],
        claims_by_kind={ClaimKind(kind): count for kind, count in kinds.order_by("claim__kind")},
        quote=market_selectors.list_quotes(tick_sizes={instrument.pk: instrument.tick_size}).get(instrument.pk),
    )


def _describe(rows: Sequence[Subscription]) -> Sequence[ActiveSubscription]:
    claims = dict(
        ClaimLeg.objects.filter(subscription__in=[row.pk for row in rows])
        .values_list("subscription")
        .annotate(count=Count("pk"))
    )
    states = {one.number: one.state for one in list_reported_connections()}
    things = [(Exchange(row.instrument.exchange), row.instrument.underlying_symbol) for row in rows]
    prefixed = market_selectors.is_token_prefixed(things)
    return [
        ActiveSubscription(
            subscription_id=row.pk,
            instrument_id=row.instrument_id,
            token=f"{exchange}:{row.instrument.token}" if is_prefixed else row.instrument.token,
            key=InstrumentKey(ExchangeSegment(row.instrument.exchange_segment), row.instrument.security_id),
            underlying=underlying,
            exchange=exchange,
            connection=row.connection_id,
            leaving_connection=row.leaving_connection_id,
            state=states[row.connection_id],
            tier=Tier(row.tier),
            mode=Mode(row.mode),
            since=row.since,
            claims=claims.get(row.pk, 0),
        )
        for row, (exchange, underlying), is_prefixed in zip(rows, things, prefixed, strict=True)
    ]
