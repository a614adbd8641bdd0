"""Acts with short names for tests that care about other things than their arguments."""

from datetime import datetime

from marketdata.domain.instruments import SeriesKey
from subscriptions import services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import FeedConnection, Subscription
from subscriptions.services import Placed, Released
from tests.factories import NOW


def claim_chain(
    series: SeriesKey,
    *,
    user_id: int | None,
    width: int = 25,
    tier: Tier = Tier.A,
    kind: ClaimKind = ClaimKind.WATCHLIST,
    now: datetime = NOW,
) -> Placed:
    return services.claim_chain(
        series=series,
        width=width,
        tier=tier,
        kind=kind,
        user_id=user_id,
        actor="trader1",
        reason="WATCHLIST_ADD",
        now=now,
    )


def claim_instrument(instrument_id: int, *, user_id: int | None, tier: Tier = Tier.A, now: datetime = NOW) -> Placed:
    return services.claim_instrument(
        instrument_id=instrument_id,
        tier=tier,
        kind=ClaimKind.WATCHLIST,
        user_id=user_id,
        actor="trader1",
        reason="WATCHLIST_ADD",
        now=now,
    )


def release_claim(claim_id: int, *, now: datetime = NOW) -> Released:
    return services.release_claim(claim_id=claim_id, actor="trader1", reason="WATCHLIST_REMOVE", now=now)


def loads() -> list[int]:
    return list(FeedConnection.objects.order_by("number").values_list("load", flat=True))


def count_subscribed() -> int:
    return Subscription.objects.count()
