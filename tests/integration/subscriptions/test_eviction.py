"""Eviction for an added item: the evicted chains, their released legs, and the audit log."""

from datetime import timedelta

import pytest

from accounts.models import User
from subscriptions import services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, PreloadRule, Subscription, SubscriptionLog
from tests.factories import NEAR, NOW, WEEKLY, Listing, put_prices
from tests.integration.subscriptions.claim_factories import (
    claim_chain,
    claim_instrument,
    count_subscribed,
    leave_free,
    release_claim,
)
from tests.integration.subscriptions.invariants import check_invariants

LATER = NOW + timedelta(hours=1)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def test_the_least_recently_viewed_chain_is_evicted(listing: Listing, asha: User, vikram: User) -> None:
    tcs = claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW + minutes(2))
    crude = claim_chain(listing.series_of("CRUDEOIL"), user_id=asha.pk, now=NOW + minutes(1))
    leave_free(1)

    placed = claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, now=LATER)

    assert placed.evicted == ("CRUDEOIL 17 Feb",)
    assert placed.message == "Added RELIANCE 24 Feb, removed CRUDEOIL 17 Feb (capacity limit)"
    assert (placed.legs, placed.subscribed) == (50, 50)
    assert not Claim.objects.filter(pk=crude.claim_id).exists()
    assert Claim.objects.filter(pk=tcs.claim_id).exists()
    assert not Subscription.objects.filter(instrument=listing.spots["CRUDEOIL"]).exists()
    check_invariants()


def test_no_more_chains_are_evicted_than_needed(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, width=11, now=NOW)
    claim_chain(listing.series_of("CRUDEOIL"), user_id=asha.pk, width=11, now=NOW + minutes(1))
    claim_instrument(listing.futures["CRUDEOIL"][1].pk, user_id=asha.pk, now=NOW + minutes(2))
    leave_free(0)

    placed = claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, width=15, now=LATER)

    assert placed.evicted == ("TCS 24 Feb", "CRUDEOIL 17 Feb")
    assert Claim.objects.filter(instrument=listing.futures["CRUDEOIL"][1]).exists()
    check_invariants()


def test_a_chain_is_evicted_with_all_its_claims_and_ranked_by_its_newest_view(
    listing: Listing, asha: User, vikram: User
) -> None:
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)
    claim_chain(listing.series_of("TCS"), user_id=vikram.pk, now=NOW + minutes(5))
    claim_chain(listing.series_of("CRUDEOIL"), user_id=asha.pk, now=NOW + minutes(1))
    leave_free(0)

    first = claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, now=LATER)
    second = claim_chain(listing.series_of("NIFTY"), user_id=vikram.pk, width=25, now=LATER)

    assert (first.evicted, second.evicted) == (("CRUDEOIL 17 Feb",), ("TCS 24 Feb",))
    evicted = SubscriptionLog.objects.filter(action="evict", subject__startswith="TCS")
    assert [(one.reason, one.actor, one.counts) for one in evicted.order_by("pk")] == [
        ("CAPACITY", "trader1", {"legs": 50, "released": 0, "kept": 50, "idle_seconds": 3_600}),
        ("CAPACITY", "trader1", {"legs": 50, "released": 50, "kept": 0, "idle_seconds": 3_300}),
    ]


def test_legs_of_tier_b_keep_streaming_and_free_no_slots(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, width=25, now=NOW)
    claim_chain(
        listing.series_of("TCS"), user_id=None, width=11, tier=Tier.B, kind=ClaimKind.PRELOAD, now=NOW + minutes(1)
    )
    leave_free(0)

    placed = claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, width=13, now=LATER)

    assert (placed.evicted, placed.subscribed) == (("TCS 24 Feb",), 26)
    assert Subscription.objects.filter(tier="B").count() == 23
    check_invariants()


def test_tier_a_never_evicts_tier_b(listing: Listing, vikram: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=None, tier=Tier.B, kind=ClaimKind.PRELOAD, now=NOW)
    leave_free(3)

    with pytest.raises(services.CapacityExceeded) as refusal:
        claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, now=LATER)

    assert dict(refusal.value.extra) == {"needed": 51, "free": 3, "freeable": 0, "capacity": 54, "offer_strikes": 1}
    assert str(refusal.value) == (
        "This needs 51 more live instruments; 3 of 54 are free and 0 can be freed. The strike at the money would fit."
    )


def test_preloading_evicts_tier_a(listing: Listing, asha: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)
    leave_free(0)
    PreloadRule.objects.exclude(underlying_symbol="CRUDEOIL").update(is_active=False)
    PreloadRule.objects.filter(underlying_symbol="CRUDEOIL").update(strikes=11, futures=1)

    report = services.preload_tier_b(now=LATER)

    assert report.claimed == 2
    assert not Claim.objects.filter(tier="A").exists()
    assert SubscriptionLog.objects.filter(action="evict", actor="preload", reason="CAPACITY").count() == 1
    check_invariants()


def test_a_pinned_chain_is_not_evicted(listing: Listing, asha: User, vikram: User) -> None:
    pinned = claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)
    claim_chain(listing.series_of("TCS"), user_id=vikram.pk, now=NOW)
    claim_chain(listing.series_of("CRUDEOIL"), user_id=asha.pk, now=NOW + minutes(1))
    leave_free(0)

    changed = services.set_pinned(claim_ids=[pinned.claim_id], is_pinned=True, actor="staff", now=NOW)
    placed = claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, now=LATER)

    assert (changed, placed.evicted) == (2, ("CRUDEOIL 17 Feb",))
    assert SubscriptionLog.objects.filter(action="pin", actor="staff", subject="TCS 24 Feb 2026 x25").count() == 2
    with pytest.raises(services.CapacityExceeded):
        claim_chain(listing.series_of("NIFTY"), user_id=asha.pk, width=101, now=LATER)


def test_a_claim_that_joins_a_pinned_chain_is_pinned(listing: Listing, asha: User, vikram: User) -> None:
    first = claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)
    services.set_pinned(claim_ids=[first.claim_id], is_pinned=True, actor="staff", now=NOW)
    second = claim_chain(listing.series_of("TCS"), user_id=vikram.pk, now=NOW)

    release_claim(first.claim_id)

    assert Claim.objects.get(pk=second.claim_id).is_pinned
    assert services.set_pinned(claim_ids=[second.claim_id], is_pinned=True, actor="staff", now=NOW) == 0
    assert services.set_pinned(claim_ids=[second.claim_id], is_pinned=False, actor="staff", now=NOW) == 1


def test_nothing_is_evicted_when_all_evictions_together_are_not_enough(
    listing: Listing, asha: User, vikram: User
) -> None:
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)
    leave_free(10)
    before = (set(Claim.objects.values_list("pk", flat=True)), count_subscribed(), SubscriptionLog.objects.count())

    with pytest.raises(services.CapacityExceeded) as refusal:
        claim_chain(listing.series_of("NIFTY"), user_id=vikram.pk, width=101, now=LATER)

    after = (set(Claim.objects.values_list("pk", flat=True)), count_subscribed(), SubscriptionLog.objects.count())
    assert after == before
    assert dict(refusal.value.extra) == {
        "needed": 203,
        "free": 10,
        "freeable": 51,
        "capacity": 61,
        "offer_strikes": 29,
    }
    assert str(refusal.value).endswith(" ±14 strikes would fit.")


def test_legs_that_the_added_item_needs_keep_their_connection(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk, width=5, now=NOW)
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, width=25, now=NOW + minutes(1))
    leave_free(0)
    before = dict(Subscription.objects.values_list("instrument_id", "connection_id"))

    placed = claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, width=25, now=LATER)

    assert placed.evicted == ("TCS 24 Feb",)
    assert (placed.subscribed, placed.shared) == (40, 10)
    assert Claim.objects.filter(user=asha, width=5).exists()
    after = dict(Subscription.objects.values_list("instrument_id", "connection_id"))
    assert all(after[one] == number for one, number in before.items() if one in after)
    check_invariants()


def test_only_the_wide_chain_of_a_series_is_evicted_when_that_frees_enough(
    listing: Listing, asha: User, vikram: User
) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk, width=21, now=NOW)
    claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk, width=25, now=NOW + minutes(1))
    leave_free(0)

    narrow = claim_chain(listing.series_of("TCS"), user_id=asha.pk, width=3, now=LATER)

    assert narrow.evicted == ("RELIANCE 24 Feb",)
    assert list(Claim.objects.filter(underlying_symbol="RELIANCE").values_list("width", flat=True)) == [21]
    check_invariants()


def test_an_eviction_for_a_window_that_moves_with_the_claim_is_reported(
    listing: Listing, asha: User, vikram: User
) -> None:
    reliance = listing.series_of("RELIANCE")
    claim_chain(reliance, user_id=asha.pk, width=25, now=NOW + minutes(2))
    claim_chain(reliance, user_id=asha.pk, width=11, now=NOW + minutes(2))
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, width=3, now=NOW)
    chain = claim_chain(reliance, user_id=None, width=11, now=NOW + minutes(2)).chain
    assert chain is not None
    window, step = chain.window, chain.window.strike_step
    put_prices({listing.spots["RELIANCE"].pk: float(window.atm + 9 * step)}, now=LATER)
    leave_free(0)

    placed = claim_chain(reliance, user_id=vikram.pk, width=11, now=LATER)

    assert placed.evicted == ("TCS 24 Feb",)
    assert placed.message == "Added RELIANCE 24 Feb, removed TCS 24 Feb (capacity limit)"
    check_invariants()


def test_the_last_chain_of_an_underlying_frees_its_spot_too(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk, width=25, now=NOW)
    leave_free(0)

    placed = claim_chain(listing.series_of("TCS"), user_id=vikram.pk, width=25, now=LATER)

    assert placed.evicted == ("RELIANCE 24 Feb",)
    assert count_subscribed() == 51
    check_invariants()


def test_chains_of_one_underlying_share_its_spot(listing: Listing, asha: User, vikram: User) -> None:
    weekly, monthly = (one for one in listing.series if one.underlying == "NIFTY")
    assert (weekly.expiry, monthly.expiry) == (WEEKLY, NEAR)
    claim_chain(weekly, user_id=asha.pk, width=5, now=NOW)
    claim_chain(monthly, user_id=asha.pk, width=5, now=NOW + minutes(1))
    leave_free(0)

    placed = claim_chain(listing.series_of("TCS"), user_id=vikram.pk, width=5, now=LATER)

    assert placed.evicted == ("NIFTY 17 Feb", "NIFTY 24 Feb")
    check_invariants()


def test_an_eviction_by_staff_releases_all_claims_of_the_chain(listing: Listing, asha: User, vikram: User) -> None:
    first = claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)
    claim_chain(listing.series_of("TCS"), user_id=vikram.pk, now=NOW)
    kept = claim_chain(listing.series_of("TCS"), user_id=vikram.pk, width=5, now=NOW)
    services.set_pinned(claim_ids=[first.claim_id], is_pinned=True, actor="staff", now=NOW)

    (evicted,) = services.evict_chains(claim_ids=[first.claim_id], actor="staff", reason="broken listing", now=LATER)

    assert (evicted.subject, evicted.usernames, evicted.released) == ("TCS 24 Feb", ("asha", "vikram"), 40)
    assert (evicted.claims, evicted.user_ids) == (2, frozenset({asha.pk, vikram.pk}))
    assert list(Claim.objects.exclude(kind="spot").values_list("pk", flat=True)) == [kept.claim_id]
    logged = SubscriptionLog.objects.filter(action="evict")
    assert {(one.actor, one.reason) for one in logged} == {("staff", "broken listing")}
    assert logged.count() == 2
    check_invariants()


def test_staff_cannot_evict_tier_b(listing: Listing) -> None:
    claimed = claim_chain(listing.series_of("TCS"), user_id=None, tier=Tier.B, kind=ClaimKind.PRELOAD, now=NOW)

    evicted = services.evict_chains(claim_ids=[claimed.claim_id], actor="staff", reason="why not", now=LATER)

    assert evicted == []
    assert Claim.objects.filter(pk=claimed.claim_id).exists()


def test_an_instrument_that_two_evicted_chains_share_is_counted_once(
    listing: Listing, asha: User, vikram: User
) -> None:
    wide = claim_chain(listing.series_of("TCS"), user_id=asha.pk, width=5, now=NOW)
    narrow = claim_chain(listing.series_of("TCS"), user_id=vikram.pk, width=3, now=NOW)

    evicted = services.evict_chains(
        claim_ids=[wide.claim_id, narrow.claim_id], actor="staff", reason="broken listing", now=LATER
    )

    assert [(one.claims, one.usernames) for one in evicted] == [(1, ("asha",)), (1, ("vikram",))]
    assert sum(one.released for one in evicted) == 10
    assert not Subscription.objects.exists()
    check_invariants()
