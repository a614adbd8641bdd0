"""Watches of several browsers: changes by services reach them at once, each chain is read once, at rest nothing is."""

from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from channels.db import database_sync_to_async
from django.utils import timezone

from accounts.models import User
from marketdata.streaming.hub import QuoteHub
from subscriptions import services
from subscriptions.domain.claims import Cause, ClaimKind
from subscriptions.models import Claim, FeedConnection
from tests.factories import NOW, Listing, make_user, put_prices
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher
from tests.integration.subscriptions.claim_factories import claim_chain
from tests.integration.watchlists.consumer.browser_sockets import BrowserSocket, open_socket
from tests.integration.watchlists.consumer.change_receivers import serving
from tests.waiting import wait_until_async
from watchlists.shared_watches import SharedWatches

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]

CHAIN = {"symbol": "RELIANCE"}


@pytest_asyncio.fixture
async def priced(listing: Listing, publisher: FramePublisher, settings: Any) -> Listing:
    """Return a market in which RELIANCE has a price near its strike of 2600."""
    settings.MARKET_DATE = NOW.date()
    await database_sync_to_async(put_prices)({listing.spots["RELIANCE"].pk: 2_604.0})
    return listing


@pytest_asyncio.fixture
async def claimed(priced: Listing, trader: User) -> Listing:
    """Return the market after the trader has claimed the chain of RELIANCE."""
    await claim(priced, trader)
    return priced


async def claim(listing: Listing, trader: User) -> None:
    await database_sync_to_async(claim_chain)(listing.series_of("RELIANCE"), user_id=trader.pk, now=timezone.now())


async def open_chain(browser: BrowserSocket) -> dict[str, Any]:
    await browser.send(type="watch", id="chain", chain=CHAIN)
    return await browser.receive("chain")


async def receive_unchanged(browser: BrowserSocket, shared: SharedWatches) -> int:
    """Receive frames until nothing was read between three of them; return the number of resolutions."""
    before = -1
    while before != shared.resolutions:
        before = shared.resolutions
        for _ in range(3):
            await browser.receive_frame()
    return before


@pytest.mark.usefixtures("priced")
async def test_a_chain_streams_as_soon_as_a_browser_opens_it(hub: QuoteHub, trader: User) -> None:
    async with open_socket(hub, trader) as browser:
        shown = await open_chain(browser)

    assert (shown["not_streaming"], shown["not_streaming_reason"]) == ([], None)
    assert await Claim.objects.filter(kind=ClaimKind.VIEW).acount() == 1


async def test_a_claim_is_shown_to_an_open_chain_at_once(hub: QuoteHub, trader: User, priced: Listing) -> None:
    await FeedConnection.objects.aupdate(capacity=10)
    async with open_socket(hub, trader) as browser:
        shown = await open_chain(browser)
        assert (len(shown["not_streaming"]), shown["not_streaming_reason"]) == (51, "no_room")

        await FeedConnection.objects.aupdate(capacity=5_000)
        await claim(priced, trader)

        await browser.receive("chain", not_streaming=[], not_streaming_reason=None)


async def test_a_release_is_shown_to_an_open_chain_at_once(hub: QuoteHub, trader: User, claimed: Listing) -> None:
    spot = claimed.spots["RELIANCE"].pk
    async with open_socket(hub, trader) as browser:
        assert (await open_chain(browser))["not_streaming"] == []

        await database_sync_to_async(release_all)()

        while spot not in (await browser.receive("chain"))["not_streaming"]:
            pass


async def test_a_recentred_window_is_shown_at_once(hub: QuoteHub, trader: User, claimed: Listing) -> None:
    spot, now = claimed.spots["RELIANCE"].pk, timezone.now()
    async with open_socket(hub, trader) as browser:
        assert (await open_chain(browser))["atm"] == "2600"

        await database_sync_to_async(put_prices)({spot: 2_684.0}, now=now + timedelta(seconds=1))
        await database_sync_to_async(services.recentre)(now=now + timedelta(seconds=2))

        await browser.receive("chain", atm="2680")


@pytest.mark.usefixtures("claimed")
async def test_browsers_with_one_chain_share_each_reading_of_it(hub: QuoteHub, trader: User) -> None:
    other = await database_sync_to_async(make_user)("trader2")
    shared = SharedWatches()
    async with (
        serving(shared),
        open_socket(hub, trader, shared=shared) as one,
        open_socket(hub, other, shared=shared) as two,
    ):
        await open_chain(one)
        await open_chain(two)
        before = await receive_unchanged(one, shared)

        await database_sync_to_async(release_all)()

        for browser in (one, two):
            while not (await browser.receive("chain"))["not_streaming"]:
                pass
        # One for the release. The window is of no claim any more, so it may be read again as the price moves.
        assert shared.resolutions - before <= 2


@pytest.mark.usefixtures("claimed")
async def test_browsers_at_rest_read_nothing(hub: QuoteHub, trader: User) -> None:
    # Both intervals would pass many times in this test if they applied to a claimed chain at rest.
    shared = SharedWatches(follow_seconds=0.05)
    async with serving(shared), open_socket(hub, trader, shared=shared) as browser:
        await open_chain(browser)
        await browser.send(type="watch", id="list", watchlist=True)
        await browser.receive("watching")
        before = await receive_unchanged(browser, shared)

        for _ in range(5):
            await browser.receive_frame()

        assert shared.resolutions == before


@pytest.mark.usefixtures("claimed")
async def test_the_views_of_all_browsers_are_noted_together(hub: QuoteHub, trader: User) -> None:
    shared = SharedWatches(note_seconds=0.1)
    async with serving(shared), open_socket(hub, trader, shared=shared) as browser:
        await open_chain(browser)
        opened_at = timezone.now()

        async def is_noted() -> bool:
            claims = Claim.objects.filter(kind__in=[ClaimKind.WATCHLIST, ClaimKind.VIEW])
            return await claims.filter(last_viewed_at__gt=opened_at).acount() == 2

        await wait_until_async(is_noted, message="the views are noted again")


@pytest.mark.usefixtures("priced")
async def test_an_open_chain_that_lost_its_view_claim_gets_another_with_the_next_note(
    hub: QuoteHub, trader: User
) -> None:
    shared = SharedWatches(note_seconds=0.1)
    async with serving(shared), open_socket(hub, trader, shared=shared) as browser:
        await open_chain(browser)

        await database_sync_to_async(release_all)()

        await browser.receive("chain", not_streaming_reason="soon")
        await browser.receive("chain", not_streaming=[])


@pytest.mark.usefixtures("priced")
async def test_the_time_at_which_the_last_browser_leaves_is_its_last_view(hub: QuoteHub, trader: User) -> None:
    shared = SharedWatches(note_seconds=3_600)
    async with serving(shared):
        async with open_socket(hub, trader, shared=shared) as browser:
            await open_chain(browser)
            opened_at = timezone.now()

        async def is_noted() -> bool:
            return await Claim.objects.filter(kind=ClaimKind.VIEW, last_viewed_at__gt=opened_at).aexists()

        await wait_until_async(is_noted, message="the end of the view is noted")


def release_all() -> None:
    now = timezone.now()
    with services.placement(now=now):
        claims = list(Claim.objects.exclude(kind=ClaimKind.SPOT))
        services.release(claims, cause=Cause("TEST", "test", now))
