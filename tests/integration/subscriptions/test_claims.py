"""Claiming and releasing: sharing, tiers, windows, spots and the audit log."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from marketdata.domain.quotes import Mode
from marketdata.selectors import PriceUnknown, UnknownExpiry
from subscriptions import services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, FeedConnection, Subscription, SubscriptionLog
from tests.factories import NEAR, NOW, WEEKLY, Listing, drop_prices, make_equities, make_user, put_prices
from tests.integration.subscriptions.claim_factories import (
    claim_chain,
    claim_instrument,
    count_subscribed,
    list_loads,
    release_claim,
)
from tests.integration.subscriptions.invariants import check_invariants


def strikes_of(claim_id: int) -> set[int]:
    return {int(leg.subscription.instrument.strike or 0) for leg in Claim.objects.get(pk=claim_id).legs.all()}


def test_the_50_legs_and_the_spot_of_a_stock_chain_are_spread_evenly(listing: Listing) -> None:
    placed = claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk)

    assert (placed.legs, placed.subscribed, placed.shared) == (50, 50, 0)
    assert placed.chain is not None
    window = placed.chain.window
    assert [window.lowest_strike, window.highest_strike, window.atm] == [Decimal(2_360), Decimal(2_840), Decimal(2_600)]
    assert sum(placed.per_connection.values()) == 50
    assert list_loads() == [11, 10, 10, 10, 10]
    check_invariants()


def test_an_index_chain_has_202_legs_and_a_spot_in_ticker_mode(listing: Listing) -> None:
    placed = claim_chain(listing.series_of("NIFTY"), user_id=make_user().pk, width=101)

    assert (placed.legs, count_subscribed()) == (202, 203)
    modes = Subscription.objects.order_by("pk")
    assert modes.get(instrument=listing.spots["NIFTY"]).mode == Mode.TICKER
    assert set(modes.exclude(instrument=listing.spots["NIFTY"]).values_list("mode", flat=True)) == {Mode.FULL}
    check_invariants()


def test_the_spot_of_a_commodity_chain_is_its_future_in_full_mode(listing: Listing) -> None:
    placed = claim_chain(listing.series_of("CRUDEOIL"), user_id=make_user().pk)

    assert placed.chain is not None
    assert placed.chain.listing.spot_instrument_id == listing.futures["CRUDEOIL"][0].pk
    assert Subscription.objects.get(instrument=listing.futures["CRUDEOIL"][0]).mode == Mode.FULL
    check_invariants()


def test_ten_claims_share_the_subscriptions_until_the_last_release(listing: Listing) -> None:
    series = listing.series_of("RELIANCE")
    placed = [claim_chain(series, user_id=make_user(f"trader{number}").pk) for number in range(10)]
    assert [(one.subscribed, one.shared) for one in placed] == [(50, 0)] + [(0, 50)] * 9
    before = dict(Subscription.objects.values_list("instrument_id", "connection_id"))

    for one in placed[:9]:
        assert release_claim(one.claim_id).released == 0

    assert dict(Subscription.objects.values_list("instrument_id", "connection_id")) == before
    check_invariants()
    assert release_claim(placed[9].claim_id).released == 50
    assert (count_subscribed(), Claim.objects.count(), list_loads()) == (0, 0, [0, 0, 0, 0, 0])


def test_a_spot_is_claimed_with_the_first_chain_and_released_with_the_last(listing: Listing) -> None:
    user = make_user()
    near = claim_chain(listing.series[0], user_id=user.pk)
    far = claim_chain(listing.series[1], user_id=user.pk)
    spot = Claim.objects.get(kind=ClaimKind.SPOT)
    assert set(spot.chains.values_list("pk", flat=True)) == {near.claim_id, far.claim_id}

    release_claim(near.claim_id)
    assert Claim.objects.filter(kind=ClaimKind.SPOT).count() == 1

    release_claim(far.claim_id)
    assert not Claim.objects.exists()
    check_invariants()


def test_a_leg_of_both_tiers_is_tier_b_until_its_last_tier_b_claim_is_released(listing: Listing) -> None:
    series = listing.series_of("NIFTY")
    claim_chain(series, user_id=make_user().pk, width=5)
    assert set(Subscription.objects.values_list("tier", flat=True)) == {"A"}

    always = claim_chain(series, user_id=None, width=3, tier=Tier.B)
    assert Subscription.objects.filter(tier=Tier.B).count() == 7
    assert Subscription.objects.filter(tier=Tier.A).count() == 4
    check_invariants()

    release_claim(always.claim_id)
    assert set(Subscription.objects.values_list("tier", flat=True)) == {"A"}
    assert count_subscribed() == 11
    check_invariants()


def test_all_claims_of_a_window_move_together_when_the_atm_has_moved(listing: Listing) -> None:
    series = listing.series_of("RELIANCE")
    first = claim_chain(series, user_id=make_user("early").pk, width=5)
    assert strikes_of(first.claim_id) == {2_560, 2_580, 2_600, 2_620, 2_640}
    middle = Subscription.objects.get(instrument__strike=2_600, instrument__option_type="CE")

    put_prices({listing.spots["RELIANCE"].pk: 2_641.0})
    second = claim_chain(series, user_id=make_user("late").pk, width=5)

    assert strikes_of(first.claim_id) == strikes_of(second.claim_id) == {2_600, 2_620, 2_640, 2_660, 2_680}
    assert Subscription.objects.get(pk=middle.pk).connection_id == middle.connection_id
    moved = SubscriptionLog.objects.get(action="recentre")
    assert (moved.reason, moved.counts) == (
        "WINDOW_MOVED",
        {"legs": 8, "subscribed": 4, "shared": 0, "released": 4, "kept": 0},
    )
    check_invariants()


def test_a_window_stays_for_all_claims_while_the_price_moved_less_than_a_step(listing: Listing) -> None:
    series = listing.series_of("RELIANCE")
    first = claim_chain(series, user_id=make_user("early").pk, width=5)

    put_prices({listing.spots["RELIANCE"].pk: 2_615.0})
    second = claim_chain(series, user_id=make_user("late").pk, width=5)

    assert strikes_of(first.claim_id) == strikes_of(second.claim_id) == {2_560, 2_580, 2_600, 2_620, 2_640}
    assert not SubscriptionLog.objects.filter(action="recentre").exists()


def test_claiming_an_explicit_chain_again_returns_the_existing_claim(listing: Listing) -> None:
    series, user = listing.series_of("RELIANCE"), make_user()
    first = claim_chain(series, user_id=user.pk, kind=ClaimKind.CHAIN)
    rows = SubscriptionLog.objects.count()

    again = claim_chain(series, user_id=user.pk, kind=ClaimKind.CHAIN, now=NOW + timedelta(seconds=9))

    assert again.claim_id == first.claim_id
    assert (again.legs, again.subscribed, again.shared) == (50, 0, 50)
    assert again.per_connection == first.per_connection
    assert SubscriptionLog.objects.count() == rows
    assert Claim.objects.get(pk=first.claim_id).last_viewed_at == NOW + timedelta(seconds=9)


def test_a_claim_without_room_is_refused_with_numbers_and_changes_nothing(listing: Listing) -> None:
    FeedConnection.objects.update(capacity=10)
    user = make_user()

    with pytest.raises(services.CapacityExceeded) as refusal:
        claim_chain(listing.series_of("RELIANCE"), user_id=user.pk)

    assert refusal.value.extra == {"needed": 51, "free": 50, "freeable": 0, "capacity": 50, "offer_strikes": 23}
    assert refusal.value.code == "capacity"
    assert (count_subscribed(), Claim.objects.count(), SubscriptionLog.objects.count()) == (0, 0, 0)


def test_the_last_free_slot_can_be_used(listing: Listing) -> None:
    FeedConnection.objects.update(capacity=10)
    FeedConnection.objects.filter(number=3).update(capacity=11)

    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk)

    assert list_loads() == [10, 10, 11, 10, 10]
    check_invariants()


def test_a_claim_of_shared_legs_needs_no_free_slots(listing: Listing) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user("first").pk)
    for connection in FeedConnection.objects.all():
        FeedConnection.objects.filter(pk=connection.pk).update(capacity=connection.load)

    placed = claim_chain(listing.series_of("RELIANCE"), user_id=make_user("second").pk)

    assert (placed.subscribed, placed.shared) == (0, 50)


def test_a_chain_without_any_price_is_refused(listing: Listing) -> None:
    drop_prices([listing.spots["RELIANCE"].pk])

    with pytest.raises(PriceUnknown):
        claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk)

    assert not Claim.objects.exists()


def test_an_unlisted_expiry_is_refused(listing: Listing) -> None:
    series = type(listing.series[0])(listing.series[0].segment, "NIFTY", NEAR + timedelta(days=1))

    with pytest.raises(UnknownExpiry):
        claim_chain(series, user_id=make_user().pk)


def test_releasing_a_missing_claim_raises_unknown_claim(listing: Listing) -> None:
    with pytest.raises(services.UnknownClaim):
        release_claim(17)


def test_one_equity_is_one_subscription(listing: Listing) -> None:
    user = make_user()
    placed = claim_instrument(listing.spots["TCS"].pk, user_id=user.pk)
    chain = claim_chain(listing.series_of("TCS"), user_id=user.pk)

    assert (placed.legs, placed.subscribed, placed.per_connection) == (1, 1, {1: 1})
    assert count_subscribed() == 51
    release_claim(chain.claim_id)
    assert count_subscribed() == 1
    check_invariants()


def test_the_log_has_one_row_per_claim_and_action_with_legs_and_connections(listing: Listing) -> None:
    first = claim_chain(listing.series_of("RELIANCE"), user_id=make_user("first").pk, width=3)
    second = claim_chain(listing.series_of("RELIANCE"), user_id=make_user("second").pk, width=5)
    release_claim(second.claim_id)
    release_claim(first.claim_id)

    rows = SubscriptionLog.objects.order_by("pk")
    assert [(row.action, row.subject, row.tier, len(row.legs), row.counts) for row in rows] == [
        ("subscribe", "RELIANCE", "A", 1, {"legs": 1, "subscribed": 1, "shared": 0}),
        ("subscribe", "RELIANCE 24 Feb 2026 x3", "A", 6, {"legs": 6, "subscribed": 6, "shared": 0}),
        ("subscribe", "RELIANCE 24 Feb 2026 x5", "A", 10, {"legs": 10, "subscribed": 4, "shared": 6}),
        ("unsubscribe", "RELIANCE 24 Feb 2026 x5", "A", 10, {"legs": 10, "released": 4, "kept": 6}),
        ("unsubscribe", "RELIANCE 24 Feb 2026 x3", "A", 6, {"legs": 6, "released": 6, "kept": 0}),
        ("unsubscribe", "RELIANCE", "A", 1, {"legs": 1, "released": 1, "kept": 0}),
    ]
    assert {(row.actor, row.at) for row in rows} == {("trader1", NOW)}
    assert [sum(row.connections.values()) for row in rows] == [1, 6, 4, 4, 6, 1]
    assert rows[2].connections == rows[3].connections


def test_a_commit_nudges_the_owners_and_a_refusal_does_not(
    listing: Listing, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    user = make_user()
    with django_capture_on_commit_callbacks() as callbacks:
        placed = claim_chain(listing.series_of("RELIANCE"), user_id=user.pk)
    # What the claims of the chain and of its spot changed for viewers, and one nudge for both.
    assert len(callbacks) == 3
    FeedConnection.objects.update(capacity=11)

    with (
        django_capture_on_commit_callbacks() as callbacks,
        pytest.raises(services.CapacityExceeded),
        transaction.atomic(),
    ):
        claim_chain(listing.series_of("TCS"), user_id=user.pk, width=41)
    assert callbacks == []

    with django_capture_on_commit_callbacks() as callbacks:
        release_claim(placed.claim_id)
    assert callbacks


def test_an_unreachable_board_does_not_undo_a_commit(
    listing: Listing,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    instrument = listing.spots["TCS"].pk
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    with django_capture_on_commit_callbacks(execute=True):
        claim_instrument(instrument, user_id=make_user().pk)

    assert count_subscribed() == 1
    # The changes for viewers, and the nudge.
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


@pytest.mark.parametrize("count", [3, 40])
def test_a_claim_needs_the_same_number_of_queries_at_any_size(
    listing: Listing, django_assert_max_num_queries: object, count: int
) -> None:
    make_equities(5)
    user = make_user()
    series = listing.series_of("NIFTY")
    assert series.expiry == WEEKLY

    with django_assert_max_num_queries(25):  # type: ignore[operator]
        claim_chain(series, user_id=user.pk, width=count)
