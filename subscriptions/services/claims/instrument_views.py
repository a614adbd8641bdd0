"""View claims of single instruments: a page that shows the details of one makes it stream.

As for chains (`view_claims`): one claim for each instrument, of no trader, evicted first, gone a minute after its last
view. It evicts other single instruments only: a chain that a browser shows would not find its room again. An instrument
makes none while tier B streams it, or it is the spot of a chain, or of a chain that a browser shows. So a trader who
looks at one option of the open chain after the other claims nothing. When that ends, the page claims it.
"""

import logging
from collections.abc import Mapping, Set
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from subscriptions.domain.claims import Cause, ClaimKind, LogAction, LogReason, Tier
from subscriptions.domain.eviction import Evictable
from subscriptions.models import Claim
from subscriptions.services.claims import eviction, wording
from subscriptions.services.claims.eviction import AddedItem
from subscriptions.services.claims.view_claims import name_viewer
from subscriptions.services.placement import audit
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import PlacementBusy, nudge_owners_on_commit, placement

logger = logging.getLogger(__name__)

# Chosen: web processes note views each half minute, a busy one a little later, and a chain ends a minute after its last
# one. So an instrument of a chain that was closed gets its own claim before that of the chain is released.
SHOWN_WITHIN: Final = timedelta(seconds=33)

# SKIP LOCKED: as in `view_claims`.
_NOTE: Final = """
WITH viewed AS MATERIALIZED (
    SELECT * FROM unnest(%(ids)s::bigint[], %(times)s::timestamptz[]) AS viewed (instrument_id, at)
), noted AS (
    UPDATE claims SET last_viewed_at = greatest(last_viewed_at, shown.at)
    FROM (
        SELECT claims.id, viewed.at FROM claims JOIN viewed USING (instrument_id)
        WHERE kind = 'view' FOR NO KEY UPDATE OF claims SKIP LOCKED
    ) AS shown WHERE claims.id = shown.id
)
SELECT instrument_id FROM viewed
WHERE NOT EXISTS (SELECT FROM claims WHERE kind = 'view' AND claims.instrument_id = viewed.instrument_id)
    AND NOT EXISTS (
        SELECT FROM subscriptions AS subscription
        JOIN claim_legs AS leg ON leg.subscription_id = subscription.id JOIN claims AS claim ON claim.id = leg.claim_id
        LEFT JOIN claims AS chain ON claim.kind = 'spot' AND chain.spot_id = claim.id
        WHERE subscription.instrument_id = viewed.instrument_id AND (
            claim.tier = 'B' OR chain.kind <> 'view'
            OR coalesce(chain.kind, claim.kind) = 'view'
                AND coalesce(chain.last_viewed_at, claim.last_viewed_at) > viewed.at - %(within)s
        )
    )
"""


def note_instruments(viewed: Mapping[int, datetime]) -> Set[int]:
    """Note when each of these instruments was viewed last; return those that need a view claim. One statement."""
    if not viewed:
        return frozenset()
    values: dict[str, Any] = {"ids": list(viewed), "times": list(viewed.values()), "within": SHOWN_WITHIN}
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, values)
        return {one for (one,) in cursor.fetchall()}


def claim_instrument_view(*, instrument_id: int, user_id: int | None, is_opening: bool, now: datetime) -> bool:
    """Make an instrument that a browser shows stream; return whether it is held now.

    `is_opening`: this user opens it. Then views of other instruments are evicted where there is no room.
    """
    if not note_instruments({instrument_id: now}):
        return True
    cause = Cause(LogReason.VIEWED, name_viewer(user_id), now)
    try:
        with placement(now=now):
            _claim(instrument_id, cause, may_evict=Evictable.INSTRUMENT_VIEWS if is_opening else Evictable.NONE)
    except (CapacityExceeded, PlacementBusy) as refusal:
        # The page shows what is known, and says that it does not stream; the next note tries again.
        logger.info("instrument %d is shown and does not stream: %s", instrument_id, refusal)
        return False
    return True


def _claim(instrument_id: int, cause: Cause, *, may_evict: Evictable) -> None:
    """Write the view claim of an instrument under the lock. Raises CapacityExceeded."""
    if Claim.objects.filter(kind=ClaimKind.VIEW, instrument_id=instrument_id).exists():
        return  # Another process was faster.
    claim = Claim.objects.create(
        kind=ClaimKind.VIEW,
        tier=Tier.A,
        instrument_id=instrument_id,
        last_viewed_at=cause.now,
        claimed_at=cause.now,
    )
    added = AddedItem(wording.describe_claim(claim), may_evict=may_evict)
    held = eviction.add_legs({claim.pk: [instrument_id]}, tiers={claim.pk: Tier.A}, cause=cause, added=added)
    audit.record([claim], action=LogAction.SUBSCRIBE, cause=cause, gained=held.changes)
    nudge_owners_on_commit()
