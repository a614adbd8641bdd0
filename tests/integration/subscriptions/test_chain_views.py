"""Views of a chain: REST and the browser socket show the same window at any time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from marketdata import selectors as market_selectors
from marketdata.models import AtmCache
from marketdata.selectors import Price, PriceSource
from marketdata.services import Chain
from marketdata.streaming.messages import WatchChain
from subscriptions import services
from subscriptions.services.placement.lock import PLACEMENT_LOCK
from tests.factories import Listing, drop_prices, put_prices
from tests.integration.subscriptions.claim_factories import claim_chain
from tests.integration.subscriptions.invariants import check_invariants
from watchlists.watch_resolver import resolve_watch


@dataclass(frozen=True)
class Shown:
    """The displayed window and legs of a chain."""

    atm: Decimal
    strikes: tuple[Decimal, ...]


def shown_by_rest(user: User) -> Shown:
    client = APIClient()
    client.force_authenticate(user)
    answer = client.get("/api/v2/option-chain/RELIANCE")
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return Shown(Decimal(str(body["atm"])), tuple(Decimal(str(row["strike"])) for row in body["strikes"]))


def shown_by_socket(user: User, *, is_opening: bool = False) -> Shown:
    watch = WatchChain(watch_id="chain", symbol="RELIANCE", exchange=None, expiry=None, strikes=None)
    message = resolve_watch(watch=watch, user_id=user.pk, is_opening=is_opening, now=timezone.now()).message
    return Shown(Decimal(message["atm"]), tuple(Decimal(strike) for strike, _, _ in message["strikes"]))


def view(*, now: datetime, caller_ltp: Decimal | None = None) -> Chain:
    return services.view_chain(
        listing=market_selectors.get_series(
            underlying=market_selectors.find_underlying(symbol="RELIANCE"), expiry=None, now=now
        ),
        width=None,
        user_id=None,
        caller_ltp=caller_ltp,
        now=now,
    )


def test_rest_and_the_socket_show_one_window_of_a_claimed_chain(listing: Listing, asha: User) -> None:
    spot, now = listing.spots["RELIANCE"].pk, timezone.now()
    claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk, now=now)

    put_prices({spot: 2_684.0}, now=now + timedelta(seconds=1))  # four steps of 20
    before = [shown_by_rest(asha), shown_by_socket(asha, is_opening=True), shown_by_socket(asha), shown_by_rest(asha)]
    services.recentre(now=now + timedelta(seconds=2))
    after = [shown_by_rest(asha), shown_by_socket(asha)]

    assert [one.atm for one in (*before, *after)] == [2_600, 2_600, 2_600, 2_600, 2_680, 2_680]
    assert len(set(before)) == len(set(after)) == 1
    check_invariants()


def test_rest_and_the_socket_show_one_window_of_a_chain_without_claims(listing: Listing, asha: User) -> None:
    spot = listing.spots["RELIANCE"].pk
    atms = []
    for price in (2_604.0, 2_625.0, 2_623.0):  # one step up, and back by less than one step
        put_prices({spot: price})
        first, second = shown_by_rest(asha), shown_by_socket(asha)
        assert first == second
        atms.append(first.atm)

    assert atms == [2_600, 2_620, 2_620]
    assert AtmCache.objects.get().ltp == 2_625


def test_opening_a_chain_recentres_it_for_every_viewer(listing: Listing, asha: User) -> None:
    spot = listing.spots["RELIANCE"].pk
    assert shown_by_rest(asha).atm == 2_600

    put_prices({spot: 2_615.0})  # less than one step
    viewed, opened = shown_by_socket(asha), shown_by_socket(asha, is_opening=True)

    assert [viewed.atm, opened.atm] == [2_600, 2_620]
    assert shown_by_rest(asha) == opened


def test_a_claim_after_a_view_uses_the_displayed_window(listing: Listing, asha: User) -> None:
    shown = shown_by_rest(asha)

    placed = claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk, now=timezone.now())

    assert placed.chain is not None
    assert {leg.strike for leg in placed.chain.legs} == set(shown.strikes)
    check_invariants()


def test_a_view_does_not_store_a_price_of_its_caller(listing: Listing) -> None:
    drop_prices([listing.spots["RELIANCE"].pk])

    chain = view(caller_ltp=Decimal(2_471), now=timezone.now())

    assert chain.window.atm == 2_480
    assert not AtmCache.objects.exists()


def test_a_claimed_chain_without_a_live_price_shows_its_stored_window(listing: Listing, asha: User) -> None:
    now = timezone.now()
    claim_chain(listing.series_of("RELIANCE"), user_id=asha.pk, now=now)
    drop_prices([listing.spots["RELIANCE"].pk])

    chain = view(now=now + timedelta(hours=1))

    assert chain.window.atm == 2_600
    assert chain.spot == Price(Decimal(2_604), PriceSource.CACHE, now)


@pytest.mark.django_db(transaction=True)
def test_a_view_does_not_wait_for_writers_and_shows_the_window_before_their_commit(
    listing: Listing, asha: User
) -> None:
    assert shown_by_rest(asha).atm == 2_600
    put_prices({listing.spots["RELIANCE"].pk: 2_684.0})
    writer = connection.copy()
    with writer.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PLACEMENT_LOCK])
        during = shown_by_rest(asha), shown_by_socket(asha)
        cursor.execute("SELECT pg_advisory_unlock(%s)", [PLACEMENT_LOCK])
    writer.close()

    assert [one.atm for one in during] == [2_600, 2_600]
    assert shown_by_rest(asha).atm == 2_680
