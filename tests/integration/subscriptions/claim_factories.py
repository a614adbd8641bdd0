"""Calls of services with default arguments."""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import F

from marketdata.domain.instruments import SeriesKey
from subscriptions import services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import FeedConnection, Subscription
from subscriptions.services import Placed, Release
from subscriptions.services.placement import legs
from tests.factories import NOW, insert_equities, open_chain


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


def leave_free(slots: int) -> None:
    """Shrink the connections to `slots` free slots."""
    FeedConnection.objects.update(capacity=F("load"))
    FeedConnection.objects.filter(number=1).update(capacity=F("capacity") + slots)


def list_loads() -> list[int]:
    return list(FeedConnection.objects.order_by("number").values_list("load", flat=True))


def count_subscribed() -> int:
    return Subscription.objects.count()


_INSERT_CLAIMS = """
INSERT INTO claims (kind, tier, underlying_symbol, instrument_id, is_pinned, last_viewed_at, claimed_at)
SELECT %s, %s, '', instrument_id, false, %s, %s FROM unnest(%s::bigint[]) AS instrument_id
RETURNING id, instrument_id
"""


def fill_with_shares(count: int, *, prefix: str = "STOCK", tier: Tier = Tier.A, now: datetime = NOW) -> None:
    """Claim `count` new shares, one claim each, in one transaction."""
    shares = insert_equities(count, prefix=prefix)
    # Without the placement lock: no other writer runs, and this many rows may exceed the statement timeout.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_INSERT_CLAIMS, [ClaimKind.WATCHLIST.value, tier.value, now, now, list(shares)])
        wanted = {claim_id: [share] for claim_id, share in cursor.fetchall()}
        legs.add(wanted, tiers=dict.fromkeys(wanted, tier))
