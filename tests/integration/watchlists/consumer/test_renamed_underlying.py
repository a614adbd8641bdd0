"""The exchange renames an underlying under an open chain: the page goes on with the same contracts."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from channels.db import database_sync_to_async
from pytest_django import Settings

from accounts.models import User
from marketdata.streaming.hub import QuoteHub
from tests import changing_lists as lists
from tests.factories import NOW
from tests.integration.watchlists.consumer.browser_sockets import open_socket

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]

RENAMED = lists.replaced(lists.small_market(), ("RELIANCE", "JIOREL"))
REVIEW_SECONDS = 0.1


def import_renamed(directory: Path) -> None:
    lists.import_list(directory, RENAMED, now=NOW + timedelta(hours=24))


@pytest_asyncio.fixture
async def imported(own_board: str, settings: Settings, tmp_path: Path) -> None:
    await database_sync_to_async(lists.start_market)(settings, tmp_path)


def names_of(chain: dict[str, Any]) -> tuple[str, str | None, str]:
    return chain["symbol"], chain["former_symbol"], chain["expiry"]


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("named", [{"expiry": "2026-02-24"}, {}, {"exchange": "NSE"}])
async def test_an_open_chain_follows_a_renamed_underlying(
    hub: QuoteHub, trader: User, tmp_path: Path, named: dict[str, str]
) -> None:
    async with open_socket(hub, trader, review=REVIEW_SECONDS) as browser:
        await browser.send(type="watch", id="chain", chain={"symbol": "RELIANCE", "strikes": 5, **named})
        before = await browser.receive("chain")

        await database_sync_to_async(import_renamed)(tmp_path)
        followed = await browser.receive("chain", symbol="JIOREL")
        await browser.send(type="watch", id="chain", chain={"symbol": "JIOREL", "strikes": 5, **named})
        present = await browser.receive("chain", symbol="JIOREL", former_symbol=None)

    assert names_of(before) == ("RELIANCE", None, "2026-02-24")
    assert names_of(followed) == ("JIOREL", "RELIANCE", "2026-02-24")
    assert followed["strikes"] == present["strikes"] == before["strikes"]
    assert "error" not in browser.kinds


@pytest.mark.usefixtures("imported")
async def test_a_chain_is_opened_by_the_former_symbol_of_its_underlying(
    hub: QuoteHub, trader: User, tmp_path: Path
) -> None:
    await database_sync_to_async(import_renamed)(tmp_path)
    async with open_socket(hub, trader) as browser:
        await browser.send(type="watch", id="chain", chain={"symbol": "reliance", "expiry": "24FEB2026"})

        assert names_of(await browser.receive("chain")) == ("JIOREL", "reliance", "2026-02-24")


@pytest.mark.usefixtures("imported")
async def test_a_symbol_that_nothing_continues_stays_unknown(hub: QuoteHub, trader: User, tmp_path: Path) -> None:
    async with open_socket(hub, trader, review=REVIEW_SECONDS) as browser:
        await browser.send(type="watch", id="chain", chain={"symbol": "RELIANCE"})
        await browser.receive("chain")

        await database_sync_to_async(import_without_options)(tmp_path)
        refusal = await browser.receive("error", code="no_options")
        await browser.send(type="watch", id="other", chain={"symbol": "NOSUCH"})

        assert refusal["id"] == "chain"
        assert (await browser.receive("error", id="other"))["code"] == "unknown_symbol"


def import_without_options(directory: Path) -> None:
    rows = lists.without(lists.small_market(), "OPTSTK")
    lists.import_list(directory, rows, now=NOW + timedelta(hours=24))
