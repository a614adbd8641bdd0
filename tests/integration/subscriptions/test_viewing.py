"""Views of chains: the claims that they update, how often they are written, and their effect on eviction."""

from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from marketdata.streaming.messages import WatchChain, WatchWatchlist
from subscriptions import services
from subscriptions.models import Claim, FeedConnection
from tests.factories import NOW, Listing, make_user
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument
from watchlists.watch_resolver import resolve_watch


def seconds(count: int) -> timedelta:
    return timedelta(seconds=count)


def viewed_at(claim_id: int) -> datetime:
    return Claim.objects.get(pk=claim_id).last_viewed_at


def test_a_view_is_written_at_most_once_in_thirty_seconds(listing: Listing, asha: User) -> None:
    series = listing.series_of("TCS")
    claim_id = claim_chain(series, user_id=asha.pk, now=NOW).claim_id

    seen = []
    for after in (29, 30, 59, 60):
        services.note_views([services.View(asha.pk, series=series)], now=NOW + seconds(after))
        seen.append(viewed_at(claim_id) - NOW)

    assert seen == [seconds(0), seconds(30), seconds(30), seconds(60)]


def test_a_view_updates_only_the_claims_of_the_viewer(listing: Listing, asha: User) -> None:
    vikram = make_user("vikram")
    series = listing.series_of("TCS")
    mine = claim_chain(series, user_id=asha.pk, now=NOW).claim_id
    narrow = claim_chain(series, user_id=asha.pk, width=5, now=NOW).claim_id
    theirs = claim_chain(series, user_id=vikram.pk, now=NOW).claim_id
    other = claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk, now=NOW).claim_id

    services.note_views([services.View(asha.pk, series=series)], now=NOW + seconds(40))

    assert (viewed_at(mine), viewed_at(narrow)) == (NOW + seconds(40), NOW + seconds(40))
    assert (viewed_at(theirs), viewed_at(other)) == (NOW, NOW)


def test_a_view_needs_one_statement(listing: Listing, asha: User) -> None:
    claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)

    with CaptureQueriesContext(connection) as queries:
        services.note_views([services.View(asha.pk, series=listing.series_of("TCS"))], now=NOW + seconds(40))

    assert len(queries) == 1


@pytest.mark.django_db(transaction=True)
def test_a_view_skips_claims_that_another_transaction_locks(listing: Listing, asha: User) -> None:
    series = listing.series_of("TCS")
    claim_id = claim_chain(series, user_id=asha.pk, now=NOW).claim_id
    other = connection.copy()
    with other.cursor() as cursor, transaction.atomic():
        cursor.execute("BEGIN")
        cursor.execute("SELECT id FROM claims WHERE id = %s FOR UPDATE", [claim_id])

        services.note_views([services.View(asha.pk, series=series)], now=NOW + seconds(40))

        assert viewed_at(claim_id) == NOW
    other.close()


def test_a_watch_in_a_browser_protects_a_chain_from_eviction(listing: Listing, asha: User) -> None:
    watched = claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW)
    claim_chain(listing.series_of("CRUDEOIL"), user_id=asha.pk, now=NOW + seconds(1))
    watch = WatchChain(watch_id="chain", symbol="TCS", exchange=None, expiry=None, strikes=None)
    resolve_watch(watch=watch, user_id=asha.pk, is_opening=True, now=NOW + seconds(60))
    FeedConnection.objects.update(capacity=21)

    placed = claim_chain(listing.series_of("RELIANCE"), user_id=make_user("vikram").pk, now=NOW + seconds(90))

    assert placed.evicted == ("CRUDEOIL 17 Feb",)
    assert Claim.objects.filter(pk=watched.claim_id).exists()


def test_a_watch_of_the_watchlist_is_a_view_of_its_entries_only(listing: Listing, asha: User) -> None:
    instrument = claim_instrument(listing.spots["TCS"].pk, user_id=asha.pk, now=NOW).claim_id

    services.note_views([services.View(asha.pk, instrument_ids=(listing.spots["TCS"].pk,))], now=NOW + seconds(40))
    resolve_watch(watch=WatchWatchlist(watch_id="list"), user_id=asha.pk, is_opening=True, now=NOW + seconds(80))

    assert viewed_at(instrument) == NOW + seconds(40)  # the watchlist has no entry of it


def test_reading_a_chain_through_the_api_is_a_view(listing: Listing, asha: User) -> None:
    claim_id = claim_chain(listing.series_of("TCS"), user_id=asha.pk, now=NOW).claim_id
    client = APIClient()
    client.force_authenticate(asha)
    before = timezone.now()

    assert client.get("/api/v2/option-chain/TCS", {"strikes": 5}).status_code == 200

    assert before <= viewed_at(claim_id) <= timezone.now()


def test_reading_an_unclaimed_chain_updates_no_claim(listing: Listing, asha: User) -> None:
    claim_id = claim_chain(listing.series_of("TCS"), user_id=make_user("vikram").pk, now=NOW).claim_id
    client = APIClient()
    client.force_authenticate(asha)

    assert client.get("/api/v2/option-chain/TCS").status_code == 200

    assert viewed_at(claim_id) == NOW
