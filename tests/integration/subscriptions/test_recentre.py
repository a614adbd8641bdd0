"""Recentring: one pass moves the edges of all windows after their ATM, without oscillation."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from marketdata.models import AtmCache
from subscriptions import services
from subscriptions.domain.claims import Tier
from subscriptions.models import Claim, ClaimLeg, FeedConnection, Subscription, SubscriptionLog
from tests.factories import NOW, Listing, make_equity, make_series, make_user, put_prices
from tests.integration.subscriptions.claim_factories import claim_chain, count_subscribed, fill_with_shares
from tests.integration.subscriptions.invariants import check_invariants

SOON = NOW + timedelta(seconds=5)
LATER = NOW + timedelta(seconds=10)


def strikes_of(claim_id: int) -> list[int]:
    """Return the strikes that a claim holds, ascending."""
    legs = ClaimLeg.objects.filter(claim_id=claim_id).values_list("subscription__instrument__strike", flat=True)
    return sorted({int(strike) for strike in legs if strike is not None})


def test_a_price_move_of_one_strike_step_moves_the_edges_of_every_claim_of_the_window(listing: Listing) -> None:
    reliance = listing.series_of("RELIANCE")
    claims = [claim_chain(reliance, user_id=make_user(name).pk, width=5).claim_id for name in ("one", "two")]
    before = dict(Subscription.objects.values_list("instrument_id", "connection_id"))

    put_prices({listing.spots["RELIANCE"].pk: 2_625.0}, now=SOON)  # from 2,604; steps of 20
    report = services.recentre(now=LATER)

    assert [strikes_of(one) for one in claims] == [[2_580, 2_600, 2_620, 2_640, 2_660]] * 2
    assert (report.windows, report.moved, report.subscribed, report.released, report.waiting) == (1, 1, 2, 2, ())
    after = dict(Subscription.objects.values_list("instrument_id", "connection_id"))
    assert len(before.keys() & after.keys()) == 1 + 8
    assert all(after[one] == before[one] for one in before.keys() & after.keys())
    check_invariants()


def test_each_recentred_claim_has_one_row_in_the_log(listing: Listing) -> None:
    for name in ("one", "two"):
        claim_chain(listing.series_of("RELIANCE"), user_id=make_user(name).pk, width=5)

    put_prices({listing.spots["RELIANCE"].pk: 2_625.0}, now=SOON)
    services.recentre(now=LATER)

    rows = SubscriptionLog.objects.filter(action="recentre").order_by("pk")
    assert [(row.subject, row.reason, row.actor, row.at, row.counts) for row in rows] == [
        (
            "RELIANCE 24 Feb 2026 x5",
            "WINDOW_MOVED",
            "recentre",
            LATER,
            {"legs": 4, "subscribed": 2, "shared": 0, "released": 0, "kept": 2},
        ),
        (
            "RELIANCE 24 Feb 2026 x5",
            "WINDOW_MOVED",
            "recentre",
            LATER,
            {"legs": 4, "subscribed": 0, "shared": 2, "released": 2, "kept": 0},
        ),
    ]


def test_a_price_move_of_less_than_a_step_moves_nothing_and_needs_two_queries(
    listing: Listing, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    placed = claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk, width=5)
    put_prices({listing.spots["RELIANCE"].pk: 2_623.95}, now=SOON)

    with django_assert_num_queries(2):
        report = services.recentre(now=LATER)

    assert (report.windows, report.moved) == (1, 0)
    assert strikes_of(placed.claim_id)[2] == 2_600


def test_a_price_older_than_the_stored_window_and_an_unknown_price_move_nothing(listing: Listing) -> None:
    placed = claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk, width=5, now=SOON)
    put_prices({listing.spots["RELIANCE"].pk: 2_700.0}, now=NOW)

    assert services.recentre(now=LATER).moved == 0
    assert strikes_of(placed.claim_id)[2] == 2_600


def test_both_tiers_move_and_each_width_of_a_series_moves_separately(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)
    nifty = listing.series_of("NIFTY")
    wide = claim_chain(nifty, user_id=make_user().pk, width=31)

    put_prices({listing.spots["NIFTY"].pk: 25_110.0}, now=SOON)  # two steps up
    report = services.recentre(now=LATER)

    assert report.moved == 3
    preloaded = Claim.objects.get(kind="preload", underlying_symbol="NIFTY", expiry=nifty.expiry)
    assert (strikes_of(preloaded.pk)[0], strikes_of(preloaded.pk)[-1]) == (24_600, 25_600)
    assert (strikes_of(wide.claim_id)[0], strikes_of(wide.claim_id)[-1]) == (24_350, 25_850)
    assert count_subscribed() == 129 + 20
    check_invariants()


def test_a_window_without_room_stays_and_moves_once_there_is_room(listing: Listing) -> None:
    users = [make_user(name).pk for name in ("one", "two")]
    five = claim_chain(listing.series_of("RELIANCE"), user_id=users[0], width=5)
    claim_chain(listing.series_of("RELIANCE"), user_id=users[1], width=9, now=LATER)
    tcs = claim_chain(listing.series_of("TCS"), user_id=users[0], width=5)
    # The wide window is newer than the price and stays; the narrow one moves within it and beyond it.
    put_prices({listing.spots["RELIANCE"].pk: 2_665.0, listing.spots["TCS"].pk: 3_021.0}, now=SOON)
    FeedConnection.objects.update(capacity=F("load"))

    report = services.recentre(now=LATER)

    assert report.waiting == ("RELIANCE 24 Feb 2026 x5",)
    assert strikes_of(five.claim_id)[2] == 2_600
    assert strikes_of(tcs.claim_id)[2] == 3_020
    check_invariants()

    FeedConnection.objects.update(capacity=50)
    assert services.recentre(now=LATER).waiting == ()
    assert strikes_of(five.claim_id)[2] == 2_660
    check_invariants()


def test_expired_windows_stay_until_they_are_released(listing: Listing, settings: Settings) -> None:
    placed = claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk, width=5)
    settings.MARKET_DATE = date(2026, 2, 25)
    put_prices({listing.spots["RELIANCE"].pk: 2_700.0}, now=SOON)

    assert services.recentre(now=LATER).moved == 0
    assert strikes_of(placed.claim_id)[2] == 2_600


def test_a_refused_claim_does_not_move_the_window_of_other_claims(listing: Listing) -> None:
    reliance = listing.series_of("RELIANCE")
    claim_chain(reliance, user_id=make_user("one").pk, width=5)
    put_prices({listing.spots["RELIANCE"].pk: 2_700.0}, now=SOON)
    fill_with_shares(25)
    FeedConnection.objects.update(capacity=F("load"))
    Claim.objects.update(is_pinned=True)

    with pytest.raises(services.CapacityExceeded):
        claim_chain(reliance, user_id=make_user("two").pk, width=9, now=LATER)

    assert [(one.width, one.atm) for one in AtmCache.objects.all()] == [(5, Decimal(2_600))]
    check_invariants()


def test_many_underlyings_need_as_many_queries_as_one(listing: Listing) -> None:
    user = make_user().pk
    spots = [make_equity(f"COMPANY{number}") for number in range(12)]
    put_prices({spot.pk: 1_000.0 for spot in spots})
    for spot in spots:
        claim_chain(make_series(spot, middle=1_000, step=10, strikes=41), user_id=user, width=5)

    def queries_of_a_move(moving: int, price: float, seconds: int) -> int:
        at = NOW + timedelta(seconds=seconds)
        put_prices({spot.pk: price for spot in spots[:moving]}, now=at)
        with CaptureQueriesContext(connection) as queries:
            assert services.recentre(now=at).moved == moving
        return len(queries)

    assert queries_of_a_move(1, 1_010.0, 5) == queries_of_a_move(12, 1_030.0, 15)
    assert set(Subscription.objects.values_list("tier", flat=True)) == {Tier.A}
    check_invariants()


def test_a_recentre_of_tier_b_evicts_tier_a_when_it_needs_slots(listing: Listing) -> None:
    services.preload_tier_b(now=NOW)
    nifty = listing.series_of("NIFTY")
    user = make_user().pk
    # The narrow and the wide window share their edges, so the move needs more slots than it frees.
    claim_chain(nifty, user_id=user, width=61, now=NOW + timedelta(seconds=1))
    reliance = claim_chain(listing.series_of("RELIANCE"), user_id=user, now=NOW + timedelta(seconds=2))
    Claim.objects.filter(tier=Tier.A, underlying_symbol="NIFTY").update(is_pinned=True)
    AtmCache.objects.filter(width=61).update(ltp=27_000)
    FeedConnection.objects.update(capacity=F("load"))
    put_prices({listing.spots["NIFTY"].pk: 27_000.0}, now=SOON)

    report = services.recentre(now=LATER)

    assert report.waiting == ()
    assert report.moved == 2
    assert not Claim.objects.filter(pk=reliance.claim_id).exists()
    check_invariants()
