"""Scans from the analytics worker's publisher to the browsers that show them."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from accounts.models import User
from marketdata import derived_board
from marketdata.derived_board import DerivedPublisher
from marketdata.domain.analytics.rankings import Ranking, Scan
from marketdata.streaming.hub import QuoteHub
from marketdata.streaming.outbox import MAX_UNACKNOWLEDGED
from marketdata.streaming.scans import ScanRelay
from tests.integration.watchlists.consumer.browser_sockets import open_socket
from tests.integration.watchlists.consumer.scan_publishers import (
    make_message,
    publish,
    publish_until_received,
    wait_until_wanted,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]

EPOCH = 5
OI_RISE = Scan(Ranking.OI_RISE, "NSE:NIFTY")
IV_RISE = Scan(Ranking.IV_RISE)
WANTED = {"ranking": "oi_rise", "underlying": "NSE:NIFTY"}
SPEED = 10.0
"""Chosen: of a clock on which results are stale after 0.3 s."""


@pytest_asyncio.fixture
async def worker(own_board: str) -> AsyncIterator[DerivedPublisher]:
    one = derived_board.connect_publisher()
    yield one
    await one.aclose()


@pytest_asyncio.fixture
async def relay(own_board: str) -> AsyncIterator[ScanRelay]:
    one = ScanRelay()
    yield one
    await one.aclose()


async def test_all_viewers_of_a_scan_get_the_text_of_the_worker(
    hub: QuoteHub, worker: DerivedPublisher, relay: ScanRelay, trader: User
) -> None:
    async with open_socket(hub, trader, relay=relay) as one, open_socket(hub, trader, relay=relay) as other:
        for browser in (one, other):
            await browser.send(type="watch", id="scan", scan=WANTED)
        await wait_until_wanted(worker, {OI_RISE})

        for browser in (one, other):
            message = await publish_until_received(worker, browser, OI_RISE, number=1, epoch=EPOCH)
            assert message == make_message(OI_RISE, 1)


async def test_a_scan_is_wanted_until_its_last_viewer_chooses_another(
    hub: QuoteHub, worker: DerivedPublisher, relay: ScanRelay, trader: User
) -> None:
    async with open_socket(hub, trader, relay=relay) as browser:
        await browser.send(type="watch", id="scan", scan=WANTED)
        await wait_until_wanted(worker, {OI_RISE})

        await browser.send(type="watch", id="scan", scan={"ranking": "iv_rise"})

        await wait_until_wanted(worker, {IV_RISE})
        await browser.send(type="unwatch", id="scan")
        await wait_until_wanted(worker, set())


async def test_a_browser_that_comes_later_gets_the_newest_result_at_once(
    hub: QuoteHub, worker: DerivedPublisher, relay: ScanRelay, trader: User
) -> None:
    async with open_socket(hub, trader, relay=relay) as one, open_socket(hub, trader, relay=relay) as other:
        await one.send(type="watch", id="scan", scan=WANTED)
        await publish_until_received(worker, one, OI_RISE, number=1, epoch=EPOCH)

        await other.send(type="watch", id="scan", scan=WANTED)

        assert (await other.receive("scan"))["number"] == 1


async def test_results_of_a_former_worker_are_dropped(
    hub: QuoteHub, worker: DerivedPublisher, relay: ScanRelay, trader: User
) -> None:
    async with open_socket(hub, trader, relay=relay) as browser:
        await browser.send(type="watch", id="scan", scan=WANTED)
        await publish_until_received(worker, browser, OI_RISE, number=1, epoch=EPOCH)
        await publish(worker, OI_RISE, number=2, epoch=EPOCH - 1)
        await publish(worker, OI_RISE, number=3, epoch=EPOCH)

        numbers = set()
        while 3 not in numbers:
            numbers.add((await browser.receive("scan"))["number"])

        assert numbers <= {1, 3}


async def test_a_scan_without_a_result_for_three_seconds_is_reported_as_stopped(
    hub: QuoteHub, worker: DerivedPublisher, trader: User
) -> None:
    relay = ScanRelay(clock=lambda: SPEED * time.monotonic())
    async with open_socket(hub, trader, relay=relay) as browser:
        await browser.send(type="watch", id="scan", scan=WANTED)
        await publish_until_received(worker, browser, OI_RISE, number=1, epoch=EPOCH)

        stopped = await browser.receive("scan", state="stopped")

        assert stopped == {
            "type": "scan",
            "ranking": "oi_rise",
            "underlying": "NSE:NIFTY",
            "state": "stopped",
            "computed_at_ms": None,
            "base_seconds": None,
            "underlyings": [],
            "rows": [],
        }
        # A successor whose clock is behind that of the former worker is not fenced for ever.
        await publish_until_received(worker, browser, OI_RISE, number=2, epoch=EPOCH - 1)


async def test_a_browser_that_is_behind_with_its_frames_is_skipped(
    hub: QuoteHub, worker: DerivedPublisher, relay: ScanRelay, trader: User
) -> None:
    async with open_socket(hub, trader, relay=relay) as browser, open_socket(hub, trader, relay=relay) as other:
        for one in (browser, other):
            await one.send(type="watch", id="scan", scan=WANTED)
        frames: list[bytes] = []
        while len(frames) < MAX_UNACKNOWLEDGED:
            event = await browser.socket.receive_output(8)
            frames += [event["bytes"]] if event.get("bytes") else []

        # The other browser has them, so this one was passed over.
        await publish_until_received(worker, other, OI_RISE, number=1, epoch=EPOCH)
        await publish_until_received(worker, other, OI_RISE, number=2, epoch=EPOCH)
        await browser.send(type="ack", seq=MAX_UNACKNOWLEDGED)
        await browser.receive_frame()
        await publish(worker, OI_RISE, number=3, epoch=EPOCH)

        # The second one may have been on its way at the acknowledgement.
        assert (await browser.receive("scan", state="live"))["number"] != 1


async def test_an_unknown_ranking_is_refused_with_the_names_of_all(
    hub: QuoteHub, trader: User, relay: ScanRelay
) -> None:
    async with open_socket(hub, trader, relay=relay) as browser:
        await browser.send(type="watch", id="scan", scan={"ranking": "gamma_squeeze"})

        refusal = await browser.receive("error")

        assert (refusal["code"], refusal["id"]) == ("bad_watch", "scan")
        assert "oi_rise" in refusal["message"]


async def test_scans_count_among_the_watches_of_a_browser(hub: QuoteHub, trader: User, relay: ScanRelay) -> None:
    async with open_socket(hub, trader, relay=relay) as browser:
        for number in range(17):
            await browser.send(type="watch", id=f"scan {number}", scan=WANTED)

        refusal = await browser.receive("error")

        assert (refusal["code"], refusal["id"]) == ("too_many", "scan 16")
