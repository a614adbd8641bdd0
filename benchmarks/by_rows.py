"""The row-by-row alternative to set operations: legs added and removed through the ORM, one at a time."""

from subscriptions.models import Claim, ClaimLeg, FeedConnection, Subscription
from tests.factories import NOW


def add_leg(claim: Claim, instrument_id: int) -> None:
    """Add one leg to a claim; a new subscription goes to the connection with the lowest load."""
    subscription = Subscription.objects.filter(instrument_id=instrument_id).first()
    if subscription is None:
        emptiest = FeedConnection.objects.order_by("load", "number").first()
        assert emptiest is not None
        subscription = Subscription.objects.create(
            instrument_id=instrument_id, connection=emptiest, tier=claim.tier, mode="full", since=NOW
        )
    ClaimLeg.objects.create(claim=claim, subscription=subscription)


def remove_leg(leg: ClaimLeg) -> None:
    """Delete a leg, and its subscription if no other claim holds it."""
    subscription = leg.subscription
    leg.delete()
    if not subscription.legs.exists():
        subscription.delete()
