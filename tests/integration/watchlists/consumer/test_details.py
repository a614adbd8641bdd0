"""Details of one instrument on a page: its description, its depth at the viewer's rate, and the claim it streams by."""

import asyncio
from typing import Any

import pytest
from channels.db import database_sync_to_async

from accounts.models import User
from marketdata.domain.instruments import OptionType
from marketdata.models import Instrument
from marketdata.streaming.hub import QuoteHub
from subscriptions.domain.claims import ClaimKind
from subscriptions.models import Claim
from tests.factories import NOW, Listing
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher
from tests.integration.watchlists.consumer.browser_sockets import open_socket
from tests.waiting import wait_until_async

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]


@pytest.fixture(autouse=True)
def market_date(settings: Any) -> None:
    settings.MARKET_DATE = NOW.date()


@database_sync_to_async
def find_option(strike: int = 2_600) -> Instrument:
    return Instrument.objects.get(underlying_symbol="RELIANCE", strike=strike, option_type=OptionType.CE)


@database_sync_to_async
def list_viewed() -> list[int | None]:
    return list(Claim.objects.filter(kind=ClaimKind.VIEW).values_list("instrument_id", flat=True))


async def test_an_option_is_described_streams_and_shows_its_depth(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    option = await find_option()
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="detail", detail=option.pk)
        answer = await browser.receive("instrument")
        await publisher.publish_changes({option.pk: 61.5})
        await browser.receive_bid(option.pk, 61.0)
        await publisher.publish_changes({option.pk: 62.0})
        await browser.receive_bid(option.pk, 61.5)
        await browser.receive_until(lambda held: held.get(option.pk) == 62.0)

    assert answer == {
        "type": "instrument",
        "id": "detail",
        "instrument_id": option.pk,
        "token": "RELIANCE_24FEB2026_2600CE",
        "name": option.display_name or option.token,
        "symbol": "RELIANCE",
        "exchange": "NSE",
        "kind": "option",
        "entry_type": "OPTION",
        "expiry": "2026-02-24",
        "strike": "2600",
        "option_type": "CE",
        "lot_size": option.lot_size,
        "tick_size": 0.05,
        "lower_limit": None,
        "upper_limit": None,
        "has_options": True,
        "over": False,
        "not_streaming": [],
        "not_streaming_reason": None,
    }
    assert await list_viewed() == [option.pk]


async def test_a_share_a_future_and_an_index_are_shown_too(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    shown = [listing.spots["TCS"], listing.futures["CRUDEOIL"][0], listing.spots["NIFTY"]]
    async with open_socket(hub, trader) as browser:
        answers = []
        for one in shown:
            await browser.send(type="watch", id="detail", detail=one.pk)
            answers.append(await browser.receive("instrument", instrument_id=one.pk))

    assert [(one["kind"], one["entry_type"], one["has_options"]) for one in answers] == [
        ("share", "EQUITY", True),
        ("future", "FUTURE", True),
        ("index", "INDEX", True),
    ]
    assert [one["not_streaming"] for one in answers] == [[], [], []]


async def test_the_first_depth_of_a_silent_instrument_is_that_of_the_last_value_cache(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    share = listing.spots["TCS"].pk
    async with open_socket(hub, trader) as browser:
        await publisher.publish_changes({share: 3_120.0})
        await publisher.cache_rows()
        await browser.send(type="watch", id="strip", instruments=[share])
        await browser.receive_until(lambda held: held.get(share) == 3_120.0)

        # No packet comes from here on.
        await browser.send(type="watch", id="detail", detail=share)

        await browser.receive_bid(share, 3_119.5)


async def test_only_the_watched_instrument_has_details_and_none_after_the_watch_ends(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    share, other = listing.spots["TCS"].pk, listing.spots["RELIANCE"].pk
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="strip", instruments=[share, other])
        await browser.send(type="watch", id="detail", detail=share)
        await browser.receive("instrument")
        await publisher.publish_changes({share: 3_120.0, other: 2_604.0})
        await browser.receive_bid(share, 3_119.5)

        await browser.send(type="unwatch", id="detail")
        await wait_until_async(lambda: not hub.mirror.details.watched, message="no details are kept")
        await publisher.publish_changes({share: 3_130.0, other: 2_610.0})
        await browser.receive_until(lambda held: held == {share: 3_130.0, other: 2_610.0})

    assert browser.best_bids == {share: 3_119.5}


async def test_the_details_of_a_closed_socket_are_dropped(hub: QuoteHub, trader: User, listing: Listing) -> None:
    share = listing.spots["TCS"].pk
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="detail", detail=share)
        await browser.receive("instrument")
        assert hub.mirror.details.watched == {share}

    assert hub.mirror.details.watched == set()


async def test_browsers_of_one_instrument_share_its_reading_and_its_claim(
    hub: QuoteHub, publisher: FramePublisher, trader: User, listing: Listing
) -> None:
    share = listing.spots["TCS"].pk
    async with open_socket(hub, trader) as one, open_socket(hub, trader) as other:
        for browser in (one, other):
            await browser.send(type="watch", id="detail", detail=share)
            await browser.receive("instrument")
        await publisher.publish_changes({share: 3_120.0})
        await asyncio.gather(one.receive_bid(share, 3_119.5), other.receive_bid(share, 3_119.5))

    assert await list_viewed() == [share]


@pytest.mark.parametrize(
    ("detail", "code"), [(999_999, "unknown_symbol"), (0, "bad_watch"), ("12", "bad_watch"), (None, "bad_watch")]
)
async def test_an_unknown_instrument_is_refused(
    hub: QuoteHub, trader: User, listing: Listing, detail: Any, code: str
) -> None:
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="detail", detail=detail)
        refusal = await browser.receive("error")

    assert (refusal["id"], refusal["code"]) == ("detail", code)
