"""A single option and an index on a list in a browser: live prices, an undone removal, and Stream again."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from marketdata import selectors as market
from marketdata.domain.instruments import OptionType, describe_contract
from subscriptions import services as subscriptions
from tests.e2e.stack import Stack, in_separate_session
from tests.waiting import wait_until
from watchlists.models import EntryKind, WatchlistEntry
from watchlists.services import add_entry

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

MOVES_WITHIN_MS = 10_000  # chosen: the VIX and one option get few of the packets of the small market


def add_items(page: Page) -> str:
    """Put a call in the middle of the nearest series and the VIX on the list; return the name of the call."""
    name = in_separate_session(_add_items)
    page.reload()
    expect(page.locator(".entry")).to_have_count(2)
    return name


def _add_items() -> str:
    now, trader = timezone.now(), User.objects.get(username="trader1")
    listing = market.get_series(underlying=market.find_underlying(symbol="NIFTY"), expiry=None, now=now)
    side = market.Side(listing.strikes[len(listing.strikes) // 2], OptionType.CE)
    for symbol, kind, one in (("NIFTY", EntryKind.OPTION, side), ("INDIA VIX", EntryKind.INDEX, None)):
        add_entry(user_id=trader.pk, actor="trader1", symbol=symbol, kind=kind, side=one, now=now)
    return describe_contract("NIFTY", listing.series.expiry, side.strike, side.option_type)


def list_claims() -> list[int | None]:
    return in_separate_session(lambda: list(WatchlistEntry.objects.order_by("pk").values_list("claim_id", flat=True)))


def test_a_single_option_and_the_vix_stream_on_a_list_and_a_removal_is_undone(page: Page, stack: Stack) -> None:
    name = add_items(page)
    option, vix = page.locator(".entry").all()
    claims = list_claims()

    strike = " ".join(name.split()[-2:])
    expect(option.locator(".entry-name")).to_have_text(re.compile(f"NIFTY.*{strike}"))
    expect(option.locator(".entry-kind")).to_have_attribute("title", "NSE · Call")
    expect(vix.locator(".entry-name")).to_have_text("INDIA VIX")
    expect(vix.locator(".entry-kind")).to_have_attribute("title", "NSE · Index")
    for row in (option, vix):
        expect(row).to_have_attribute("data-quote", "live", timeout=MOVES_WITHIN_MS)
        expect(row.locator(".percent")).to_have_text(re.compile(r"%$"))
        assert row.evaluate("row => row.offsetHeight") == 26
    before = page.locator(".entry .price").all_inner_texts()
    page.wait_for_function(
        "before => [...document.querySelectorAll('.entry .price')].every((one, at) => one.innerText !== before[at])",
        arg=before,
        timeout=MOVES_WITHIN_MS,
    )
    assert stack.count_streams() == 2

    page.get_by_role("button", name=f"Remove {name}").click()
    expect(page.locator(".entry")).to_have_count(1)
    expect(page.locator(".toast")).to_contain_text(f"Removed {name}.")
    page.get_by_role("button", name="Undo").click()

    expect(page.locator(".entry")).to_have_count(2)
    expect(page.locator(".entry-open").first).to_be_focused()
    assert (list_claims(), stack.count_streams()) == (claims, 2)

    page.get_by_role("button", name="Remove INDIA VIX").click()
    page.goto("about:blank")

    wait_until(lambda: stack.count_streams() == 1, message="the VIX stops with its entry")
    assert list_claims() == claims[:1]


def test_an_option_that_made_room_streams_again_without_the_others(page: Page, stack: Stack) -> None:
    name = add_items(page)
    claims = list_claims()
    in_separate_session(
        lambda: subscriptions.evict_chains(
            claim_ids=[one for one in claims if one], actor="staff", reason="because", now=timezone.now()
        )
    )
    page.reload()
    expect(page.locator(".entry-state")).to_have_text([re.compile("Streaming stopped")] * 2)

    page.get_by_role("button", name=f"Stream {name} again").click()

    expect(page.locator(".entry-state")).to_have_count(1)
    expect(page.locator(".entry").first).to_have_attribute("data-quote", "live", timeout=MOVES_WITHIN_MS)
    assert stack.count_streams() == 1
