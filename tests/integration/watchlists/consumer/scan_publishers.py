"""Publishes scans as the analytics worker does, without one."""

import asyncio
from typing import Any

import orjson

from marketdata.derived_board import DerivedPublisher
from marketdata.domain.analytics.rankings import Scan
from tests.integration.watchlists.consumer.browser_sockets import BrowserSocket
from tests.waiting import wait_until_async


def make_message(scan: Scan, number: int) -> dict[str, Any]:
    """Return a message of `scan`, told from others by its number."""
    return {
        "type": "scan",
        "ranking": str(scan.ranking),
        "underlying": scan.underlying,
        "state": "live",
        "number": number,
    }


async def publish(worker: DerivedPublisher, scan: Scan, *, number: int, epoch: int) -> None:
    await worker.publish_scans(epoch, {scan: orjson.dumps(make_message(scan, number))})


async def publish_until_received(
    worker: DerivedPublisher, browser: BrowserSocket, scan: Scan, *, number: int, epoch: int
) -> dict[str, Any]:
    """Publish a result again and again until the browser has it; return its message."""
    receiving = asyncio.create_task(browser.receive("scan", number=number))

    async def is_received() -> bool:
        await publish(worker, scan, number=number, epoch=epoch)
        return receiving.done()

    await wait_until_async(is_received, message=f"the browser has result {number}")
    return await receiving


async def wait_until_wanted(worker: DerivedPublisher, scans: set[Scan]) -> None:
    """Return once exactly these scans are wanted."""

    async def is_wanted() -> bool:
        return set(await worker.list_wanted_scans()) == scans

    await wait_until_async(is_wanted, message=f"{scans} are wanted")
