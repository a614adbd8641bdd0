"""From the search to the item itself, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

LIVE_ROWS = "() => document.querySelectorAll('.strike-row[data-call=live]').length > 20"


def search(page: Page, query: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(query)


def open_reliance(page: Page, stack: Stack) -> str:
    """Open the chain; return its highest shown strike, away from the money, without grouping."""
    page.goto(f"{stack.url}/#RELIANCE")
    expect(page.locator(".strike-row")).to_have_count(25)
    return page.locator(".strike-row .strike").last.inner_text().replace(",", "")


def expect_ring(page: Page, strike: str) -> None:
    expect(page.locator(".strike-row.sought")).to_have_count(1)
    expect(page.locator(".strike-row.sought .strike")).to_have_text(f"{int(strike):,}")
    expect(page.locator(".strike-row.sought")).to_be_in_viewport()


def test_enter_leads_to_the_strike_of_a_contract_which_is_ringed_until_the_focus_changes(
    page: Page, stack: Stack
) -> None:
    strike = open_reliance(page, stack)
    page.goto(f"{stack.url}/#NIFTY")
    expect(page.locator("#chain-title")).to_have_text("NIFTY")

    # At once, as one types: Enter waits for the hits of what is typed.
    search(page, f"reliance {strike} pe")
    page.keyboard.press("Enter")

    expect(page.locator("#chain-title")).to_have_text("RELIANCE")
    expect_ring(page, strike)
    expect(page.locator(".strike-row.sought .put.ltp.sought-option")).to_be_focused()
    expect(page.locator("#search-panel")).to_be_hidden()
    expect(page.locator("#entries-empty")).to_be_visible()

    page.keyboard.press("ArrowUp")

    expect(page.locator(".strike-row .put.ltp:focus")).to_have_count(1)
    expect(page.locator(".sought, .sought-option")).to_have_count(0)


def test_a_contract_of_the_open_chain_is_ringed_until_another_chain_is_opened(page: Page, stack: Stack) -> None:
    strike = open_reliance(page, stack)

    search(page, f"reliance {strike} ce")
    page.keyboard.press("Enter")

    expect_ring(page, strike)
    expect(page.locator(".call.ltp.sought-option")).to_be_focused()

    search(page, "nifty")
    page.keyboard.press("Enter")

    expect(page.locator("#chain-title")).to_have_text("NIFTY")
    expect(page.locator(".strike-row.atm")).to_have_count(1)
    expect(page.locator(".sought, .sought-option")).to_have_count(0)


def test_a_strike_outside_of_the_window_is_shown_in_a_wider_one(page: Page, stack: Stack) -> None:
    strike = open_reliance(page, stack)
    page.locator("#strikes").select_option("11")
    expect(page.locator(".strike-row")).to_have_count(11)

    search(page, f"reliance {strike} ce")
    page.keyboard.press("Enter")

    expect_ring(page, strike)
    expect(page.locator("#strikes")).not_to_have_value("11")


def test_what_has_no_chain_opens_its_details(page: Page) -> None:
    search(page, "india vix")
    page.keyboard.press("Enter")

    expect(page.locator("#detail-name")).to_have_text("INDIA VIX")
    expect(page.locator("#detail-contract")).to_have_text("index")
    expect(page.locator("#chain")).to_have_attribute("data-state", "empty")
    expect(page.locator("#search-panel")).to_be_hidden()
    expect(page.locator("#search")).to_be_focused()


def test_shift_enter_and_the_button_of_a_hit_add_it_and_leave_the_hits_open(page: Page) -> None:
    search(page, "reliance")
    first = page.locator("[role=option]").first
    expect(first).to_contain_text("RELIANCE")

    page.keyboard.press("Shift+Enter")

    expect(page.locator(".search-note")).to_contain_text("RELIANCE is on ")
    expect(page.locator(".entry")).to_have_count(1)
    expect(page.locator(".entry .entry-kind")).to_contain_text("Equity")
    expect(page.locator("#chain")).to_have_attribute("data-state", "empty")
    expect(page.locator("#search")).to_be_focused()

    first.locator(".hit-action").first.click()

    expect(page.locator(".search-error")).to_contain_text("already")
    expect(page.locator("#search")).to_be_focused()

    page.keyboard.type("nifty")
    expect(page.locator("[role=option]").first).to_contain_text("NIFTY")
    page.keyboard.press("Shift+Enter")

    expect(page.locator(".search-note")).to_have_text(re.compile(r"^NIFTY .* chain is on "))
    expect(page.locator(".entry")).to_have_count(2)


def test_a_misspelled_symbol_asks_and_its_hits_have_price_lot_and_moneyness(page: Page, stack: Stack) -> None:
    strike = open_reliance(page, stack)
    # The hits have the prices of what streams.
    page.wait_for_function(LIVE_ROWS)

    search(page, f"relaince {strike} pe")

    first = page.locator("[role=option]").first
    expect(page.locator(".hits-title")).to_have_text(f"Did you mean RELIANCE {strike} PE?")
    expect(first.locator(".hit-moneyness")).to_have_text("ITM")
    expect(first.locator(".hit-price")).to_contain_text(".")
    expect(first.locator(".hit-detail")).to_contain_text("lot ")

    page.locator(".hits-title button").click()

    expect(page.locator("#search")).to_have_value(f"RELIANCE {strike} PE")
    expect(page.locator(".hits-title")).to_have_count(0)
    expect(first).to_contain_text("RELIANCE")


def test_an_empty_search_shows_the_recent_items_also_after_a_damaged_storage(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.locator("#search-panel")).to_be_hidden()
    page.keyboard.type("reliance")
    page.keyboard.press("Enter")
    expect(page.locator("#chain-title")).to_have_text("RELIANCE")

    page.reload()
    expect(page.locator("#chain-title")).to_have_text("RELIANCE")
    page.keyboard.press("/")

    expect(page.locator(".hits-title")).to_have_text("Recent")
    expect(page.locator("[role=option]")).to_have_count(1)
    expect(page.locator("[role=option] .hit-price")).to_have_text("")
    page.keyboard.press("Escape")
    expect(page.locator("#search-panel")).to_be_hidden()

    page.evaluate("localStorage.setItem('terminal.recent.trader1', '[{]')")
    page.reload()
    search(page, "nifty")
    page.keyboard.press("Enter")

    expect(page.locator("#chain-title")).to_have_text("NIFTY")
