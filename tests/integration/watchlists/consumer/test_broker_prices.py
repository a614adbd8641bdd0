"""The broker's last prices in the answer to a chain whose options have none yet."""

from collections.abc import Iterator
from typing import Any

import pytest
from channels.db import database_sync_to_async

from accounts.models import User
from marketdata.streaming.hub import QuoteHub
from subscriptions.models import FeedConnection
from tests.broker_chains import chain_of
from tests.brokers import Broker, running_broker
from tests.factories import NOW, Listing, put_prices
from tests.integration.watchlists.consumer.browser_sockets import BrowserSocket, open_socket

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]


@pytest.fixture
def broker(listing: Listing, settings: Any) -> Iterator[Broker]:
    settings.MARKET_DATE = NOW.date()
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        yield broker


async def open_reliance(browser: BrowserSocket) -> dict[str, Any]:
    await browser.send(type="watch", id="chain", chain={"symbol": "RELIANCE"})
    return await browser.receive("chain")


def legs_of(chain: dict[str, Any]) -> set[int]:
    return {one for _, call, put in chain["strikes"] for one in (call, put)}


async def test_an_open_chain_gets_the_brokers_last_prices_until_its_options_have_their_own(
    hub: QuoteHub, trader: User, listing: Listing, broker: Broker
) -> None:
    await database_sync_to_async(put_prices)({listing.spots["RELIANCE"].pk: 2_604.0})
    answer = await database_sync_to_async(chain_of)(
        listing.series_of("RELIANCE"), last_price=61.5, previous_close_price=60, top_bid_price=61.4, oi=650, volume=0
    )
    broker.answer(200, answer)
    async with open_socket(hub, trader) as browser:
        first = await open_reliance(browser)
        shown = await browser.receive("chain")

    assert first["broker_prices"] is None
    prices = shown["broker_prices"]
    assert prices["segment"] == 2
    assert {one[0] for one in prices["quotes"]} == legs_of(shown)
    assert {tuple(one[1:]) for one in prices["quotes"]} == {(61.5, 60.0, 61.4, None, 0.0, 650.0)}
    assert [path for path, _ in broker.requests] == ["/optionchain"]

    # Another browser gets them at once; an option that has a price of its own is not among them.
    call = min(legs_of(shown))
    await database_sync_to_async(put_prices)({call: 62.0})
    async with open_socket(hub, trader) as other:
        again = await open_reliance(other)
    assert {one[0] for one in again["broker_prices"]["quotes"]} == legs_of(again) - {call}
    assert len(broker.requests) == 1


async def test_a_chain_is_shown_without_a_broker(hub: QuoteHub, trader: User, listing: Listing, broker: Broker) -> None:
    await database_sync_to_async(put_prices)({listing.spots["RELIANCE"].pk: 2_604.0})
    await FeedConnection.objects.aupdate(capacity=10)
    broker.answer(429, {"data": {"805": "Too many requests."}, "status": "failed"})
    async with open_socket(hub, trader) as browser:
        shown = await open_reliance(browser)
        await browser.send(type="ping")
        await browser.receive("pong")

    assert shown["broker_prices"] is None
    assert shown["not_streaming_reason"] == "no_room"
