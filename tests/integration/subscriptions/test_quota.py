"""The quota of one trader: it counts what streams because of this trader.

A refusal has numbers and an offer, and precedes every eviction.
"""

import pytest
from pytest_django import Settings

from accounts.models import User
from subscriptions import services
from subscriptions.domain.claims import Tier
from subscriptions.models import Claim, FeedConnection, SubscriptionLog
from tests.factories import NEAR, Listing, make_user
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument, release_claim


@pytest.fixture
def asha(listing: Listing, settings: Settings) -> User:
    settings.INSTRUMENT_QUOTA = 202
    return make_user("asha")


def test_a_chain_over_the_quota_is_refused_with_a_narrower_offer(listing: Listing, asha: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, width=25)
    claim_instrument(listing.spots["RELIANCE"].pk, user_id=asha.pk)
    claim_instrument(listing.spots["CRUDEOIL"].pk, user_id=asha.pk)

    with pytest.raises(services.QuotaExceeded) as refusal:
        claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101)

    assert refusal.value.code == "quota"
    assert dict(refusal.value.extra) == {"needed": 202, "left": 150, "quota": 202, "offer_strikes": 75}
    assert str(refusal.value) == (
        "This chain needs 202 more live instruments; you have 150 left. ±37 strikes would fit."
    )
    assert claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=75).legs == 150


def test_the_last_instrument_of_the_quota_can_be_claimed(listing: Listing, asha: User) -> None:
    assert claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101).legs == 202

    with pytest.raises(services.QuotaExceeded) as refusal:
        claim_instrument(listing.spots["TCS"].pk, user_id=asha.pk)

    assert str(refusal.value) == "This instrument needs 1 more live instrument; you have 0 left."


def test_spots_are_not_counted_and_shared_legs_count_once(listing: Listing, asha: User) -> None:
    claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=75)

    monthly = next(one for one in listing.series if one.underlying == "NIFTY" and one.expiry == NEAR)

    with pytest.raises(services.QuotaExceeded) as refusal:
        claim_chain(monthly, user_id=asha.pk, width=75)

    assert (refusal.value.extra["needed"], refusal.value.extra["left"]) == (150, 52)
    assert claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101).subscribed == 52


def test_instruments_that_stream_for_others_or_in_tier_b_are_not_counted(listing: Listing, asha: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=make_user("vikram").pk)
    claim_chain(listing.series_of("RELIANCE"), user_id=None, tier=Tier.B)
    claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101)  # the whole quota

    for symbol in ("TCS", "RELIANCE"):
        assert claim_chain(listing.series_of(symbol), user_id=asha.pk).shared == 50
    with pytest.raises(services.QuotaExceeded):
        claim_chain(listing.series_of("CRUDEOIL"), user_id=asha.pk)


def test_only_the_strikes_that_would_start_to_stream_are_counted(listing: Listing, asha: User) -> None:
    claim_chain(listing.series_of("NIFTY"), user_id=None, width=21, tier=Tier.B)
    User.objects.filter(pk=asha.pk).update(instrument_quota=100)

    with pytest.raises(services.QuotaExceeded) as refusal:
        claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101)

    assert (refusal.value.extra["needed"], refusal.value.extra["offer_strikes"]) == (160, 71)
    assert claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=71).subscribed == 100


def test_of_two_traders_with_the_same_chain_the_first_is_counted(listing: Listing, asha: User) -> None:
    vikram = make_user("vikram")
    User.objects.filter(pk__in=[asha.pk, vikram.pk]).update(instrument_quota=50)
    first = claim_chain(listing.series_of("TCS"), user_id=asha.pk)
    claim_chain(listing.series_of("TCS"), user_id=vikram.pk)

    with pytest.raises(services.QuotaExceeded):
        claim_instrument(listing.spots["RELIANCE"].pk, user_id=asha.pk)
    release_claim(first.claim_id)

    assert claim_instrument(listing.spots["RELIANCE"].pk, user_id=asha.pk).subscribed == 1
    with pytest.raises(services.QuotaExceeded, match="needs 50 more live instruments; you have 0 left"):
        claim_chain(listing.series_of("CRUDEOIL"), user_id=vikram.pk)


def test_the_spot_of_a_claimed_chain_is_not_counted(listing: Listing, asha: User) -> None:
    User.objects.filter(pk=asha.pk).update(instrument_quota=50)
    claim_chain(listing.series_of("TCS"), user_id=asha.pk)

    assert claim_instrument(listing.spots["TCS"].pk, user_id=asha.pk).shared == 1


def test_staff_can_raise_the_quota_of_one_trader(listing: Listing, asha: User) -> None:
    claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101)
    User.objects.filter(pk=asha.pk).update(instrument_quota=252)

    assert claim_chain(listing.series_of("TCS"), user_id=asha.pk).legs == 50
    with pytest.raises(services.QuotaExceeded):
        claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk)


def test_staff_can_set_the_quota_of_one_trader_to_zero(listing: Listing, asha: User) -> None:
    User.objects.filter(pk=asha.pk).update(instrument_quota=0)

    with pytest.raises(services.QuotaExceeded) as refusal:
        claim_chain(listing.series_of("TCS"), user_id=asha.pk)

    assert refusal.value.extra["offer_strikes"] is None
    assert str(refusal.value) == "This chain needs 50 more live instruments; you have 0 left."


def test_a_release_frees_quota(listing: Listing, asha: User) -> None:
    placed = claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101)
    release_claim(placed.claim_id)

    assert claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101).legs == 202


def test_a_claim_over_the_quota_evicts_nothing(listing: Listing, asha: User) -> None:
    vikram = make_user("vikram")
    claim_chain(listing.series_of("TCS"), user_id=vikram.pk)
    claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101)
    FeedConnection.objects.update(capacity=51)  # 255 slots, 254 used
    rows = SubscriptionLog.objects.count()

    with pytest.raises(services.QuotaExceeded):
        claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk)

    assert Claim.objects.filter(user=vikram).exists()
    assert SubscriptionLog.objects.count() == rows
