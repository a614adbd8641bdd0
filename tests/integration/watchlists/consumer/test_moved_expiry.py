"""The exchange moves an expiry under an open chain: page, list, claims and broker agree, and no leg stands still."""

import asyncio
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from channels.db import database_sync_to_async
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from marketdata import services as market_services
from marketdata.models import Instrument
from marketdata.streaming.hub import QuoteHub
from subscriptions.models import Claim, Subscription
from tests.factories import add_to_watchlist, put_prices
from tests.integration.subscriptions.feed.feed_workers import (
    list_subscribed_keys,
    list_wanted_keys,
    running_worker,
    wait_until_streaming,
)
from tests.integration.watchlists.consumer.browser_sockets import BrowserSocket, open_socket
from tests.simulators import SimulatorAddress, running_simulator
from watchlists import services
from watchlists.models import EntryKind, WatchlistEntry

pytestmark = [pytest.mark.asyncio, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("seeded")]

Result = TypeVar("Result")

# At the highest rate a browser gets ten frames a second, and a row is shown as live for three seconds without a packet.
# Every leg changes several times a second here: 2,000 packets a second for some two hundred instruments.
MOST_FRAMES_WITHOUT_A_CHANGE = 30
# Enough that a leg which stands still after a step is without a change for too long.
SAMPLED_FRAMES = MOST_FRAMES_WITHOUT_A_CHANGE + 10


async def test_no_leg_stands_still_while_an_expiry_moves_under_an_open_chain(
    hub: QuoteHub, trader: User, settings: Settings, tmp_path: Path
) -> None:
    with running_simulator(rate=2_000, faults={}) as simulator:
        settings.DHAN_REST_URL = simulator.rest_url
        expiry = await database_sync_to_async(hold_nifty)(simulator, trader, tmp_path)
        with running_worker(tmp_path, name="feed", simulator=simulator):
            await asyncio.to_thread(wait_until_streaming, await database_sync_to_async(Subscription.objects.count)())
            async with open_socket(hub, trader, review=0.3) as browser:
                await browser.send(type="rate", hz=10)
                await browser.send(type="watch", id="chain", chain={"symbol": "NIFTY", "expiry": expiry.isoformat()})
                before = await browser.receive_shown_chain(expiry=expiry.isoformat())
                moved = await sample_during(browser, partial(move_expiry, simulator, expiry, tmp_path))
                await sample(browser)
                await sample_during(browser, partial(services.follow_contracts, now=timezone.now()))
                await sample(browser)
                after = await browser.receive_shown_chain(expiry=moved.isoformat(), strikes=before["strikes"])
            await database_sync_to_async(check_agreement)(simulator, moved)

        assert before["not_streaming"] == after["not_streaming"] == []
        assert longest_gap(browser) <= MOST_FRAMES_WITHOUT_A_CHANGE
        assert "error" not in browser.kinds


def hold_nifty(simulator: SimulatorAddress, trader: User, directory: Path) -> date:
    """Import the broker's list and add NIFTY's nearest options to the trader's list; return their expiry."""
    market_services.import_instruments(source=write_list(simulator, directory, {}), now=timezone.now())
    spot = Instrument.objects.get(instrument_type="INDEX", underlying_symbol="NIFTY")
    put_prices({spot.pk: middle_strike()}, now=timezone.now())
    expiry = add_to_watchlist(trader, "NIFTY", EntryKind.INDEX_OPTION, now=timezone.now()).entry.expiry
    assert expiry is not None
    return expiry


def middle_strike() -> float:
    options = Instrument.objects.filter(underlying_symbol="NIFTY", option_type="CE").order_by("expiry", "strike")
    strikes = [one.strike for one in options.filter(expiry=options[0].expiry)]
    return float(strikes[len(strikes) // 2] or 0)


def move_expiry(simulator: SimulatorAddress, expiry: date, directory: Path) -> date:
    """Import the list with NIFTY's options of `expiry` a day later; return that day."""
    moved = expiry + timedelta(days=1)
    source = write_list(simulator, directory, {expiry.isoformat(): moved.isoformat()})
    assert market_services.import_instruments(source=source, now=timezone.now()).refusal == ""
    return moved


def write_list(simulator: SimulatorAddress, directory: Path, dates: dict[str, str]) -> str:
    """Write NSE's indices of the broker's list with other dates of NIFTY's options, always under the same path."""
    with urllib.request.urlopen(simulator.instruments_url, timeout=10) as answer:  # noqa: S310  loopback
        header, *rows = answer.read().decode().splitlines()
    lines = [header, *(row for row in rows if "NIFTY" in row)]
    for former, present in dates.items():
        lines = [line.replace(former, present) if ",OPTIDX,0,NIFTY-" in line else line for line in lines]
    path = directory / "master.csv"
    path.write_text("\n".join(lines))
    return str(path)


async def sample_during(browser: BrowserSocket, act: Callable[[], Result]) -> Result:
    """Receive frames while `act` runs: a page that does not read is closed as too slow."""
    running = asyncio.ensure_future(database_sync_to_async(act)())
    while not running.done():
        await browser.receive_frame()
    return await running


async def sample(browser: BrowserSocket) -> None:
    """Receive the next frames."""
    wanted = len(browser.frames) + SAMPLED_FRAMES
    async with asyncio.timeout(60):
        while len(browser.frames) < wanted:
            await browser.receive_frame()


def legs_of(chain: dict[str, Any]) -> list[int]:
    return [leg for _, *legs in chain["strikes"] for leg in legs if leg is not None]


def longest_gap(browser: BrowserSocket) -> int:
    """Return the most consecutive frames without a change of a leg that the page showed as streaming meanwhile."""
    shown = [(first, set(legs_of(chain)) - set(chain["not_streaming"])) for first, chain in browser.chains]
    longest, gaps = 0, Counter[int]()
    for place, frame in enumerate(browser.frames):
        changed = {int(row["instrument_id"]) for row in frame.rows}
        live = [legs for first, legs in shown if first <= place][-1:]
        gaps = Counter({leg: 0 if leg in changed else gaps[leg] + 1 for legs in live for leg in legs})
        longest = max([longest, *gaps.values()])
    return longest


def check_agreement(simulator: SimulatorAddress, moved: date) -> None:
    assert WatchlistEntry.objects.get().expiry == moved
    assert set(Claim.objects.filter(expiry__isnull=False).values_list("expiry", flat=True)) == {moved}
    assert {one for one in Subscription.objects.values_list("instrument__expiry", flat=True) if one} == {moved}
    assert list_subscribed_keys(simulator) == list_wanted_keys()
