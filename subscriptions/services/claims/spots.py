"""Spot claims: one per tier and underlying, created with its first chain and released with its last.

A spot claim is shared by the chains of one tier; its leg does not count among the legs of a chain. Preload may claim a
spot before its chains: the chains need a price, and the subscription delivers it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS

from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim

# Under the placement lock, so the check and the insert cannot race. The second SELECT does not see the new rows.
_FIND_OR_CREATE: Final = """
WITH created AS (
    INSERT INTO claims (kind, tier, instrument_id, underlying_symbol, is_pinned, last_viewed_at, claimed_at)
    SELECT 'spot', %(tier)s, wanted.id, '', false, %(now)s, %(now)s FROM unnest(%(wanted)s::bigint[]) AS wanted (id)
    WHERE NOT EXISTS (SELECT FROM claims WHERE kind = 'spot' AND tier = %(tier)s AND instrument_id = wanted.id)
    RETURNING *
)
SELECT spot.*, instrument.token FROM (
    SELECT *, true AS is_new FROM created UNION ALL
    SELECT *, false FROM claims WHERE kind = 'spot' AND tier = %(tier)s AND instrument_id = ANY(%(wanted)s)
) AS spot JOIN instruments AS instrument ON instrument.id = spot.instrument_id
ORDER BY spot.id
"""


def find_or_create_spots(
    instrument_ids: Collection[int], *, tier: Tier, now: datetime
) -> tuple[Mapping[int, int], Sequence[Claim]]:
    """Return the ids of the spot claims by instrument id, and those created now, which hold no legs yet; one query."""
    wanted = sorted(set(instrument_ids))
    if not wanted:
        return {}, []
    claims = list(Claim.objects.raw(_FIND_OR_CREATE, {"tier": tier, "wanted": wanted, "now": now}))
    created = [claim for claim in claims if claim.is_new]  # type: ignore[attr-defined]  # Annotated by the query.
    instruments: Any = Claim.instrument.field.related_model  # the table belongs to marketdata; the field knows it
    for claim in created:
        # The audit log names the spot by its token; read here, it costs no statement. Other fields load when used.
        token = claim.token  # type: ignore[attr-defined]  # Annotated by the query.
        claim.instrument = instruments.from_db(DEFAULT_DB_ALIAS, ["id", "token"], [claim.instrument_id, token])
    return {claim.instrument_id: claim.pk for claim in claims if claim.instrument_id}, created


def list_idle_spots(*, tier: Tier, spared: Collection[int] = ()) -> list[Claim]:
    """Return the spot claims of `tier` without chains, except those of the instruments in `spared`."""
    idle = Claim.objects.filter(kind=ClaimKind.SPOT, tier=tier, chains=None).exclude(instrument_id__in=spared)
    return list(idle.order_by("pk"))
