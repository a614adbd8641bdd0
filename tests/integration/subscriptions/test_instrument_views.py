"""View claims of single instruments: what a browser shows streams, gives way to traders, and ends after its viewers."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from marketdata.domain.instruments import OptionType
from marketdata.models import Instrument
from marketdata.streaming.messages import WatchChain, WatchDetail
from subscriptions import services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, Subscription, SubscriptionLog
from subscriptions.selectors import read_quota_use
from tests.factories import NOW, Listing
from tests.integration.subscriptions.claim_factories import (
    claim_chain,
    claim_instrument,
    count_subscribed,
    leave_free,
    release_claim,
)
from tests.integration.subscriptions.invariants import check_invariants
from watchlists.watch_resolver import resolve_watch


def seconds(count: int) -> timedelta:
    return timedelta(seconds=count)


def open_detail(user: User, instrument: Instrument, *, now: Any = NOW) -> Mapping[str, Any]:
    """Return what a page gets that opens an instrument."""
    watch = WatchDetail("detail", instrument.pk)
    return resolve_watch(watch=watch, user_id=user.pk, is_opening=True, now=now).message


def read_again(instrument: Instrument, *, now: Any) -> Mapping[str, Any]:
    """Return what a page gets that shows an instrument which lost its claim."""
    watch = WatchDetail("detail", instrument.pk)
    return resolve_watch(watch=watch, user_id=None, is_opening=False, is_unclaimed=True, now=now).message


def open_chain(user: User, symbol: str, *, now: Any = NOW) -> None:
    watch = WatchChain(watch_id="chain", symbol=symbol, exchange=None, expiry=None, strikes=None)
    resolve_watch(watch=watch, user_id=user.pk, is_opening=True, now=now)


def views() -> list[int]:
    """Return the single instruments that have a view claim."""
    found = Claim.objects.filter(kind=ClaimKind.VIEW, expiry=None).order_by("instrument_id")
    return [one for one in found.values_list("instrument_id", flat=True) if one is not None]


def option_of(symbol: str, strike: int) -> Instrument:
    return Instrument.objects.filter(underlying_symbol=symbol, strike=strike, option_type=OptionType.CE).earliest(
        "expiry"
    )


def test_an_instrument_that_a_browser_opens_streams(listing: Listing, asha: User) -> None:
    share = listing.spots["TCS"]

    shown = open_detail(asha, share)

    assert (shown["not_streaming"], shown["not_streaming_reason"]) == ([], None)
    claim = Claim.objects.get()
    assert (claim.kind, claim.tier, claim.user, claim.instrument, claim.is_pinned) == ("view", "A", None, share, False)
    row = SubscriptionLog.objects.get()
    assert (row.action, row.reason, row.actor, row.subject) == ("subscribe", "VIEWED", "asha", "TCS")
    check_invariants()


def test_viewers_of_one_instrument_share_one_claim(listing: Listing, asha: User, vikram: User) -> None:
    for user in (asha, vikram):
        open_detail(user, listing.spots["TCS"])

    assert views() == [listing.spots["TCS"].pk]
    assert SubscriptionLog.objects.count() == 1


def test_the_database_refuses_a_second_view_claim_of_an_instrument(listing: Listing, asha: User) -> None:
    open_detail(asha, listing.spots["TCS"])
    claim = Claim.objects.get()
    claim.pk = None

    with pytest.raises(IntegrityError, match="claims_one_view_per_instrument"), transaction.atomic():
        claim.save()


def test_an_option_of_a_chain_that_a_browser_shows_makes_no_claim(listing: Listing, asha: User) -> None:
    open_chain(asha, "RELIANCE")

    shown = open_detail(asha, option_of("RELIANCE", 2_600), now=NOW + seconds(20))

    assert shown["not_streaming"] == []
    assert views() == []


def test_an_option_gets_a_claim_before_the_chain_that_was_closed_is_released(listing: Listing, asha: User) -> None:
    open_chain(asha, "RELIANCE")
    option = option_of("RELIANCE", 2_600)
    open_detail(asha, option)

    assert services.note_instruments({option.pk: NOW + seconds(32)}) == frozenset()
    assert services.note_instruments({option.pk: NOW + seconds(34)}) == {option.pk}
    read_again(option, now=NOW + seconds(34))
    released = services.release_unviewed(now=NOW + seconds(60))

    # All but the one that is shown.
    assert (released.claims, released.released) == (1, 49)
    assert views() == [option.pk]
    check_invariants()


def test_the_spot_of_a_chain_and_tier_b_make_no_claim(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("NIFTY"), user_id=vikram.pk)
    claim_instrument(listing.futures["CRUDEOIL"][0].pk, user_id=None, tier=Tier.B)

    for one in (listing.spots["NIFTY"], listing.futures["CRUDEOIL"][0]):
        assert open_detail(asha, one)["not_streaming"] == []

    assert views() == []


def test_an_index_without_a_chain_streams_because_it_is_shown(listing: Listing, asha: User) -> None:
    open_detail(asha, listing.spots["NIFTY"])

    assert views() == [listing.spots["NIFTY"].pk]
    assert Subscription.objects.get().mode == "ticker"


def test_a_share_that_is_removed_from_a_list_while_it_is_shown_streams_on(
    listing: Listing, asha: User, vikram: User
) -> None:
    share = listing.spots["TCS"]
    claimed = claim_instrument(share.pk, user_id=vikram.pk)
    open_detail(asha, share)

    released = release_claim(claimed.claim_id)

    assert (released.released, released.kept) == (0, 1)
    assert views() == [share.pk]


def test_a_view_ends_a_minute_after_its_last_viewer_left(listing: Listing, asha: User) -> None:
    share = listing.spots["TCS"]
    open_detail(asha, share)

    assert services.note_instruments({share.pk: NOW + seconds(30)}) == frozenset()
    before = services.release_unviewed(now=NOW + seconds(89))
    after = services.release_unviewed(now=NOW + seconds(90))

    assert (before.claims, after.claims, after.released) == (0, 1, 1)
    assert count_subscribed() == 0
    row = SubscriptionLog.objects.latest("pk")
    assert (row.action, row.reason, row.subject) == ("unsubscribe", "NOT_VIEWED", "TCS")


def test_instruments_are_noted_in_one_statement(
    listing: Listing, asha: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    shown = [listing.spots["TCS"].pk, listing.spots["RELIANCE"].pk]
    for one in ("TCS", "RELIANCE"):
        open_detail(asha, listing.spots[one])

    with django_assert_num_queries(1):
        lost = services.note_instruments(dict.fromkeys([*shown, listing.spots["NIFTY"].pk], NOW + seconds(30)))

    assert lost == {listing.spots["NIFTY"].pk}
    assert services.note_instruments({}) == frozenset()


def test_a_view_evicts_another_view_and_no_chain_of_a_trader(listing: Listing, asha: User, vikram: User) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk)
    open_detail(asha, listing.spots["TCS"])
    leave_free(0)

    shown = open_detail(asha, listing.futures["CRUDEOIL"][0], now=NOW + seconds(1))

    assert shown["not_streaming"] == []
    assert views() == [listing.futures["CRUDEOIL"][0].pk]
    assert Claim.objects.filter(user=vikram).count() == 1
    check_invariants()


def test_without_room_the_page_says_so_and_the_next_note_tries_again(
    listing: Listing, asha: User, vikram: User
) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=vikram.pk)
    leave_free(0)
    share = listing.spots["TCS"]

    shown = open_detail(asha, share)
    leave_free(1)
    again = read_again(share, now=NOW + seconds(30))

    assert (shown["not_streaming"], shown["not_streaming_reason"]) == ([share.pk], "no_room")
    assert (again["not_streaming"], again["not_streaming_reason"]) == ([], None)


def test_a_trader_who_adds_what_is_shown_pays_for_it(listing: Listing, asha: User) -> None:
    share = listing.spots["TCS"]
    open_detail(asha, share)
    assert read_quota_use(user_id=asha.pk).used == 0

    claim_instrument(share.pk, user_id=asha.pk)

    assert read_quota_use(user_id=asha.pk).used == 1


def test_a_single_instrument_evicts_no_chain_that_a_browser_shows(listing: Listing, asha: User, vikram: User) -> None:
    open_chain(vikram, "RELIANCE")
    leave_free(0)
    future = listing.futures["CRUDEOIL"][0]

    shown = open_detail(asha, future, now=NOW + seconds(1))

    # Its room would not suffice for the chain to return.
    assert (shown["not_streaming"], shown["not_streaming_reason"]) == ([future.pk], "no_room")
    assert Claim.objects.filter(kind=ClaimKind.VIEW).exclude(expiry=None).count() == 1
    check_invariants()


def test_what_shows_an_instrument_claims_it_when_its_chain_has_ended(listing: Listing, asha: User) -> None:
    share = listing.spots["RELIANCE"]
    chain = claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk)
    assert open_detail(asha, share)["not_streaming"] == []
    assert views() == []
    release_claim(chain.claim_id)

    # The page reads the instrument again because its streaming has changed.
    watch = WatchDetail("detail", share.pk)
    again = resolve_watch(watch=watch, user_id=None, is_opening=False, now=NOW + seconds(1)).message

    assert again["not_streaming"] == []
    assert views() == [share.pk]
