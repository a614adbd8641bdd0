"""Calls of services with default arguments."""

from datetime import datetime

from django.db import transaction

from marketdata.domain.instruments import SeriesKey
from subscriptions import services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, FeedConnection, Subscription
from subscriptions.services import Placed, Release
from subscriptions.services.placement import legs
from tests.factories import NOW, make_equities, open_chain


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
        chain=open_chain(series, width=width, now=now),
        tier=tier,
        kind=kind,
        user_id=user_id,
        actor="trader1",
        reason="WATCHLIST_ADD",
        now=now,
    )


def claim_instrument(instrument_id: int, *, user_id: int | None, tier: Tier = Tier.A, now: datetime = NOW) -> Placed:
    cause = services.Cause("WATCHLIST_ADD", "trader1", now)
    with services.placement(now=now):
        return services.claim_instrument_locked(
            instrument_id=instrument_id, tier=tier, kind=ClaimKind.WATCHLIST, user_id=user_id, cause=cause
        )


def release_claim(claim_id: int, *, now: datetime = NOW) -> Release:
    return services.release_claim(claim_id=claim_id, actor="trader1", reason="WATCHLIST_REMOVE", now=now)


def list_loads() -> list[int]:
    return list(FeedConnection.objects.order_by("number").values_list("load", flat=True))


def count_subscribed() -> int:
    return Subscription.objects.count()


def fill_with_shares(count: int, *, prefix: str = "STOCK", tier: Tier = Tier.A, now: datetime = NOW) -> None:
    """Claim `count` new shares, one claim each, in one transaction."""
    shares = make_equities(count, prefix=prefix)
    claims = Claim.objects.bulk_create(
        [
            Claim(kind=ClaimKind.WATCHLIST, tier=tier, instrument=share, last_viewed_at=now, claimed_at=now)
            for share in shares
        ],
        batch_size=5_000,
    )
    # Without the placement lock: no other writer runs, and this many rows may exceed the statement timeout.
    with transaction.atomic():
        wanted = {claim.pk: [share.pk] for claim, share in zip(claims, shares, strict=True)}
        legs.add(wanted, tiers=dict.fromkeys(wanted, tier))
