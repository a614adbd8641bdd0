"""The claim of an entry: what makes its chain or instrument stream."""

from datetime import datetime

from subscriptions import services as subscriptions
from subscriptions.domain.claims import ClaimKind, Tier
from watchlists.models import WatchlistEntry


def claim_for(
    entry: WatchlistEntry, opened: subscriptions.OpenedChain | None, *, reason: str, now: datetime
) -> subscriptions.Placed:
    """Claim on demand what `entry` names, for its trader; `opened` is the chain of an entry of options.

    The caller keeps the claim in the entry, in the same transaction. Raises CapacityExceeded, QuotaExceeded,
    PlacementBusy.
    """
    actor = entry.user.get_username()
    if opened is not None:
        return subscriptions.claim_chain(
            series=opened.series,
            width=opened.width,
            tier=Tier.A,
            kind=ClaimKind.WATCHLIST,
            user_id=entry.user_id,
            actor=actor,
            reason=reason,
            now=now,
            opened=opened,
        )
    if entry.instrument_id is None:
        raise AssertionError("an entry is of a series or of an instrument")
    return subscriptions.claim_instrument(
        instrument_id=entry.instrument_id,
        tier=Tier.A,
        kind=ClaimKind.WATCHLIST,
        user_id=entry.user_id,
        actor=actor,
        reason=reason,
        now=now,
    )
