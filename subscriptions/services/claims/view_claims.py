"""View claims: a chain streams while a browser shows it (docs/decisions/0037-view-claims.md).

There is one view claim for each window, however many browsers of however many web processes show it. It belongs to no
trader and counts against no quota. `last_viewed_at` is the time of its last view: web processes note it for all their
browsers together, and a pass releases what was not viewed for a while (`passes.unviewed`).
"""

import logging
from collections.abc import Mapping, Set
from datetime import datetime
from typing import Final

from django.contrib.auth import get_user_model
from django.db import connection

from marketdata.domain.chain import WindowKey
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.services import Chain
from subscriptions.domain.claims import Cause, ClaimKind, LogReason, Tier
from subscriptions.domain.eviction import Evictable
from subscriptions.models import Claim
from subscriptions.services.claims import claiming, windows, wording
from subscriptions.services.claims.eviction import AddedItem
from subscriptions.services.placement.legs import CapacityExceeded
from subscriptions.services.placement.lock import PlacementBusy, placement

logger = logging.getLogger(__name__)

ACTOR: Final = "view"  # in the log, where no single trader is the cause

# SKIP LOCKED: a view neither waits nor deadlocks. A claim that is being released counts as present once more; the next
# note finds that it is missing.
_NOTE: Final = """
WITH viewed AS MATERIALIZED (
    SELECT * FROM unnest(%s::smallint[], %s::varchar[], %s::date[], %s::smallint[], %s::timestamptz[])
        AS viewed (segment, symbol, expiry, width, at)
), noted AS (
    UPDATE claims SET last_viewed_at = greatest(last_viewed_at, shown.at)
    FROM (
        SELECT claims.id, viewed.at FROM claims JOIN viewed
            ON exchange_segment = segment AND underlying_symbol = symbol AND claims.expiry = viewed.expiry
            AND claims.width = viewed.width
        WHERE kind = 'view' FOR NO KEY UPDATE OF claims SKIP LOCKED
    ) AS shown WHERE claims.id = shown.id
)
SELECT segment, symbol, expiry, width FROM viewed WHERE NOT EXISTS (
    SELECT FROM claims WHERE kind = 'view' AND exchange_segment = segment AND underlying_symbol = symbol
        AND claims.expiry = viewed.expiry AND claims.width = viewed.width
)
"""


def note_windows(viewed: Mapping[WindowKey, datetime]) -> Set[WindowKey]:
    """Note when each of these windows was viewed last; return those without a view claim. One statement."""
    if not viewed:
        return frozenset()
    rows = [
        (int(key.series.segment), key.series.underlying, key.series.expiry, key.width, at) for key, at in viewed.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, list(map(list, zip(*rows, strict=True))))
        return {
            WindowKey(SeriesKey(ExchangeSegment(segment), symbol, expiry), width)
            for segment, symbol, expiry, width in cursor.fetchall()
        }


def claim_view(*, chain: Chain, user_id: int | None, is_opening: bool, now: datetime) -> bool:
    """Make a chain that a browser shows stream; return whether it has a view claim now.

    `is_opening`: this user opens it. Then other views are evicted where there is no room; a chain that stays open only
    takes free room, because two of them would evict each other in turn. No claim of a trader is ever evicted.
    """
    if not note_windows({chain.key: now}):
        return True
    cause = Cause(LogReason.VIEWED, name_viewer(user_id), now)
    may_evict = Evictable.VIEWS if is_opening else Evictable.NONE
    try:
        with placement(now=now):
            _claim(chain, AddedItem(wording.describe_series(chain.key.series), may_evict=may_evict), cause)
    except (CapacityExceeded, PlacementBusy) as refusal:
        # The page shows the chain all the same, and says that it does not stream; the next note tries again.
        logger.info("%s is shown and does not stream: %s", chain.key, refusal)
        return False
    return True


def name_viewer(user_id: int | None) -> str:
    """Return the actor of a view in the log: the user who opens it, else ACTOR."""
    if user_id is None:
        return ACTOR
    users = get_user_model().objects.filter(pk=user_id)
    return users.values_list("username", flat=True).first() or ACTOR


def _claim(chain: Chain, added: AddedItem, cause: Cause) -> None:
    """Write the view claim of a window under the lock. Raises CapacityExceeded."""
    others = windows.list_claims([chain.key])
    if any(one.kind == ClaimKind.VIEW for one in others[chain.key]):
        return  # Another process was faster.
    if others[chain.key]:
        # All claims of a window hold the same legs. A view moves none of them: recentring does.
        first = others[chain.key][0].pk
        instrument_ids = sorted(windows.held_by([first])[first])
    else:
        chain = windows.current_chains([chain], others)[chain.key]
        instrument_ids = list(chain.instrument_ids)
    claim = Claim(
        kind=ClaimKind.VIEW,
        tier=Tier.A,
        exchange_segment=chain.key.series.segment,
        underlying_symbol=chain.key.series.underlying,
        expiry=chain.key.series.expiry,
        width=chain.width,
        last_viewed_at=cause.now,
        claimed_at=cause.now,
    )
    claiming.hold_chains(
        {chain.listing.spot_instrument_id: [(claim, instrument_ids)]}, tier=Tier.A, cause=cause, added=added
    )
