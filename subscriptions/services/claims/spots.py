"""Spot claims: one per tier and underlying, made with the first chain and released with the last.

A spot's legs do not count among the legs of its chains. Preload may claim a spot ahead of its chains, so that a
price comes.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim


def find_or_create_spots(
    instrument_ids: Collection[int], *, tier: Tier, now: datetime
) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Return the spot claims of `tier` by instrument id: all of them, and of these the new ones, without legs yet."""
    wanted = sorted(set(instrument_ids))
    spots = Claim.objects.filter(kind=ClaimKind.SPOT, tier=tier, instrument_id__in=wanted)
    known = dict(spots.values_list("instrument_id", "pk"))
    created = Claim.objects.bulk_create(
        [
            Claim(kind=ClaimKind.SPOT, tier=tier, instrument_id=one, last_viewed_at=now, claimed_at=now)
            for one in wanted
            if one not in known
        ]
    )
    new = {claim.instrument_id: claim.pk for claim in created if claim.instrument_id is not None}
    return {**known, **new}, new


def list_idle_spots(*, tier: Tier, spared: Collection[int] = ()) -> list[Claim]:
    """Return the spot claims of `tier` that no chain needs, except those of the instruments in `spared`."""
    idle = Claim.objects.filter(kind=ClaimKind.SPOT, tier=tier, chains=None).exclude(instrument_id__in=spared)
    return list(idle.select_related("instrument").order_by("pk"))
