"""The claim of an entry, which makes its chain or instrument stream."""

from marketdata.services import Chain
from subscriptions import services as subscriptions
from subscriptions.domain.claims import ClaimKind, Tier


def claim_target(
    *, user_id: int, instrument_id: int | None, chain: Chain | None, cause: subscriptions.Cause
) -> subscriptions.Placed:
    """Claim a chain, or else an instrument, for a watchlist entry of this user, under the placement lock.

    The caller stores the claim in the entry, in the same transaction. Raises CapacityExceeded, QuotaExceeded.
    """
    if chain is not None:
        return subscriptions.claim_chain_locked(
            chain=chain, tier=Tier.A, kind=ClaimKind.WATCHLIST, user_id=user_id, cause=cause
        )
    if instrument_id is None:
        raise AssertionError("an entry is of a series or of an instrument")
    return subscriptions.claim_instrument_locked(
        instrument_id=instrument_id, tier=Tier.A, kind=ClaimKind.WATCHLIST, user_id=user_id, cause=cause
    )
