"""Spot claims: one per tier and underlying, created with its first chain and released with its last.

A spot claim is shared by the chains of one tier; its leg does not count among the legs of a chain. Preload may claim a
spot before its chains: the chains need a price, and the subscription delivers it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim


def find_or_create_spots(
    instrument_ids: Collection[int], *, tier: Tier, now: datetime
) -> tuple[Mapping[int, int], Sequence[Claim]]:
    """Return the ids of the spot claims by instrument id, and those created now, which hold no legs yet."""
    wanted = sorted(set(instrument_ids))
    spots = Claim.objects.filter(kind=ClaimKind.SPOT, tier=tier, instrument_id__in=wanted)
    known = {instrument_id: pk for instrument_id, pk in spots.values_list("instrument_id", "pk") if instrument_id}
    created = Claim.objects.bulk_create(
        [
            Claim(kind=ClaimKind.SPOT, tier=tier, instrument_id=one, last_viewed_at=now, claimed_at=now)
            for one in wanted
            if one not in known
        ]
    )
    return known | {claim.instrument_id: claim.pk for claim in created if claim.instrument_id}, created


def list_idle_spots(*, tier: Tier, spared: Collection[int] = ()) -> list[Claim]:
    """Return the spot claims of `tier` without chains, except those of the instruments in `spared`."""
    idle = Claim.objects.filter(kind=ClaimKind.SPOT, tier=tier, chains=None).exclude(instrument_id__in=spared)
    return list(idle.order_by("pk"))
