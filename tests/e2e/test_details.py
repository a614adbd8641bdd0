"""The details of one instrument: opened by keyboard from the chain and the list, they tick, and close again."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from marketdata import selectors as market
from tests.e2e.stack import Stack, in_separate_session
from tests.e2e.test_analytics import UNKNOWN
from watchlists.models import EntryKind, NamedList
from watchlists.services import add_entry

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

DEPTH = "() => document.getElementById('detail-levels').innerText"
DEPTH_IS_KNOWN = "() => /[0-9]/.test(document.getElementById('detail-levels').innerText)"
DEPTH_TICKS = "before => document.getElementById('detail-levels').innerText !== before"
BOXES = """() => [...document.querySelectorAll('#detail :is(td, dd, button, .detail-price, .detail-state)')]
  .filter(node => node.getClientRects().length > 0)
  .map(node => node.getBoundingClientRect()).map(box => [box.x, box.y, box.height].map(Math.round).join())"""
"""Where the values stand, not how long they are."""
LIVE_ROWS = "() => document.querySelectorAll('.strike-row[data-call=live]').length > 20"


def expect_ticking_depth(page: Page) -> None:
    """Expect a live depth that changes, without anything being moved by it."""
    page.wait_for_function(DEPTH_IS_KNOWN)
    expect(page.locator("#detail")).to_have_attribute("data-quote", "live")
    boxes = page.evaluate(BOXES)
    page.wait_for_function(DEPTH_TICKS, arg=page.evaluate(DEPTH))
    assert page.evaluate(BOXES) == boxes


def add_share_and_future(page: Page) -> None:
    in_separate_session(_add_share_and_future)
    page.reload()
    expect(page.locator(".entry")).to_have_count(2)


def _add_share_and_future() -> None:
    trader = User.objects.get(username="trader1")
    NamedList.objects.filter(user=trader).delete()
    for symbol, kind in (("RELIANCE", EntryKind.EQUITY), ("NIFTY", EntryKind.FUTURE)):
        add_entry(user_id=trader.pk, actor="trader1", symbol=symbol, kind=kind, now=timezone.now())


def test_an_option_of_the_chain_opens_by_keyboard_and_closes_by_its_keys(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#RELIANCE")
    page.wait_for_function(LIVE_ROWS)
    page.locator(".strike-row.atm .strike").focus()
    page.keyboard.press("ArrowRight")

    page.keyboard.press("Enter")

    drawer = page.locator("#detail")
    expect(drawer).to_be_visible()
    expect(page.locator("#detail-name")).to_have_text(re.compile(r"^RELIANCE [\d,.]+ PE$"))
    expect_ticking_depth(page)
    expect(page.locator("#detail-day dt")).to_contain_text(["Open", "High", "Low", "Prev.", "Avg."])
    expect(page.locator("#detail-greeks dt")).to_contain_text(["IV", "Delta", "Gamma", "Theta", "Vega"])
    expect(page.locator(".strike-row.atm .put.bid")).to_be_focused()

    # Another option takes its place; the same key on it closes.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("d")
    expect(page.locator("#detail-name")).to_contain_text("PE")
    expect_ticking_depth(page)
    page.keyboard.press("d")
    expect(drawer).to_be_hidden()

    # From inside of the drawer the focus returns to the cell.
    page.keyboard.press("d")
    page.locator("#detail-add").focus()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page.locator(".strike-row > .put.bid:focus")).to_have_count(1)


def test_a_share_a_future_and_an_index_open_by_keyboard(page: Page, stack: Stack) -> None:
    add_share_and_future(page)
    share, future = page.locator(".entry-open").nth(0), page.locator(".entry-open").nth(1)

    share.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#detail-exchange")).to_have_text("NSE")
    expect_ticking_depth(page)
    expect(page.locator("#detail-greeks")).to_be_hidden()
    expect(page.locator("#detail-add")).to_have_text("On your list")
    # A share opens its details and no chain; the button leads there.
    expect(page.locator("#chain")).to_have_attribute("data-state", "empty")

    future.focus()
    page.keyboard.press("d")
    expect(page.locator("#detail-contract")).to_contain_text("lot 65")
    expect_ticking_depth(page)
    expect(page.locator("#detail-oi")).not_to_have_text(UNKNOWN)
    page.locator("#detail-keep").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#detail-keep")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()

    page.goto(f"{stack.url}/#NIFTY")
    page.wait_for_function(LIVE_ROWS)
    page.locator("#chain").focus()
    page.keyboard.press("d")
    expect(page.locator("#detail-contract")).to_have_text("index")
    expect(page.locator("#detail")).to_have_attribute("data-quote", "live")
    expect(page.locator("#detail-high")).to_have_text(UNKNOWN)
    expect(page.locator("#detail-high")).to_have_attribute("title", re.compile("only the last price"))
    expect(page.locator("#detail-depth")).to_be_hidden()
    before = page.locator("#detail-ltp").inner_text()
    expect(page.locator("#detail-ltp")).not_to_have_text(before)


def test_an_instrument_that_did_not_stream_streams_because_it_is_shown(page: Page, stack: Stack) -> None:
    share = in_separate_session(lambda: market.get_instrument(name="RELIANCE").pk)
    assert stack.count_streams() == 0

    page.goto(f"{stack.url}/instrument/{share}")

    expect_ticking_depth(page)
    assert stack.count_streams() == 1
    page.locator("#detail-add").click()
    expect(page.locator(".entry")).to_have_count(1)
    expect(page.locator("#detail-add")).to_have_text("On your list")


def test_the_address_names_the_instrument_for_back_forward_and_reload(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#RELIANCE")
    page.wait_for_function(LIVE_ROWS)
    drawer = page.locator("#detail")

    page.locator(".strike-row.atm .call.ltp").click()
    expect(page.locator("#detail-name")).to_contain_text("CE")
    expect(page).to_have_url(re.compile(r"/instrument/\d+#RELIANCE$"))
    page.go_back()
    expect(drawer).to_be_hidden()
    page.go_forward()
    expect(page.locator("#detail-name")).to_contain_text("CE")

    page.reload()
    expect(page.locator("#detail-name")).to_contain_text("CE")
    page.wait_for_function(LIVE_ROWS)
    page.locator("#detail-close").click()
    expect(drawer).to_be_hidden()
    expect(page).to_have_url(f"{stack.url}/#RELIANCE")


def test_an_instrument_that_is_not_listed_is_explained(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/instrument/999999999")

    expect(page.locator("#detail-sentence")).to_contain_text("listed")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
