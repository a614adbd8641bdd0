"""The terminal by keyboard alone: search, grid, palette, list of keys."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

LIVE_ROWS = "() => document.querySelectorAll('.strike-row[data-call=live]').length > 20"
PLACE = """() => {
  const cell = document.activeElement;
  const row = cell.closest(".strike-row");
  return row && [row.querySelector(".strike").textContent, cell.className];
}"""
"""The strike and the column of the focused cell; null outside of the grid."""


def test_a_trader_searches_opens_and_adds_a_chain_and_moves_in_its_grid(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("reliance")
    expect(page.locator("[role=option]").first).to_contain_text("RELIANCE")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chip.preferred")).to_be_visible()
    page.locator(".chip.preferred").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".entry")).to_have_count(1)
    page.wait_for_function(LIVE_ROWS)

    page.locator(".strike-row.atm .strike").focus()
    strike, column = page.evaluate(PLACE)
    assert column == "strike"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(PLACE) == [strike, "put bid"]
    page.keyboard.press("ArrowDown")
    below, column = page.evaluate(PLACE)
    assert (column, float(below.replace(",", "")) > float(strike.replace(",", ""))) == ("put bid", True)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    assert page.evaluate(PLACE) == [strike, "call oi-change"]
    page.keyboard.press("End")
    assert page.evaluate(PLACE) == [strike, "put oi-change"]
    page.keyboard.press("Control+Home")
    assert page.evaluate(PLACE)[0] == page.locator(".strike-row .strike").first.inner_text()
    page.keyboard.press("PageDown")
    assert page.evaluate(PLACE)[0] == page.locator(".strike-row .strike").nth(10).inner_text()
    # One cell is in the order of Tab, the focused one.
    assert page.locator(".ladder [tabindex='0']").count() == 1


def test_the_focus_stays_at_its_strike_when_the_window_changes(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#RELIANCE")
    page.wait_for_function(LIVE_ROWS)
    page.locator(".strike-row.atm .strike").focus()
    page.keyboard.press("ArrowLeft")
    place = page.evaluate(PLACE)

    page.keyboard.press("-")

    expect(page.locator(".strike-row")).to_have_count(21)
    assert page.evaluate(PLACE) == place
    page.keyboard.press("+")
    expect(page.locator(".strike-row")).not_to_have_count(21)
    assert page.evaluate(PLACE) == place


def test_the_focus_stays_when_an_entry_is_added_and_removed(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#RELIANCE")
    page.wait_for_function(LIVE_ROWS)
    page.locator("#chain-add").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".entry")).to_have_count(1)
    expect(page.locator("#chain")).to_be_focused()
    page.keyboard.press("]")
    expect(page.locator("#chain-add")).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator(".entry")).to_have_count(2)

    page.locator(".entry-remove").nth(0).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".entry")).to_have_count(1)
    expect(page.locator(".entry-remove")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator(".entry")).to_have_count(0)
    expect(page.locator("#entries-empty")).to_be_focused()
    page.keyboard.press("Control+z")
    expect(page.locator(".entry-open")).to_be_focused()


def test_the_palette_goes_to_a_chain_an_expiry_a_preset_a_theme_and_a_page(page: Page, stack: Stack) -> None:
    field = page.locator("#palette-input")

    def run(text: str) -> None:
        page.keyboard.press("Control+k")
        expect(field).to_be_focused()
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect(field).to_be_hidden()

    run("nifty")
    expect(page.locator("#chain-title")).to_have_text("NIFTY")
    page.wait_for_function(LIVE_ROWS)
    second = page.locator("#chain-expiries button").nth(1)
    run("expiry " + " ".join(second.inner_text().split()[:2]))
    expect(second).to_have_attribute("aria-pressed", "true")
    run("greeks")
    expect(page.locator("#ladder")).to_have_attribute("data-columns", "greeks")
    with page.expect_response("**/settings/theme"):
        run("theme dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    page.keyboard.press("Control+k")
    page.keyboard.type("zzz")
    expect(page.locator("#palette-empty")).to_be_visible()
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()

    run("page status")
    page.wait_for_url(f"{stack.url}/status")


def test_the_palette_is_a_combobox_with_a_listbox(page: Page) -> None:
    page.keyboard.press("Control+k")
    field = page.locator("#palette-input")
    expect(field).to_have_attribute("aria-expanded", "true")
    expect(field).to_have_attribute("aria-activedescendant", "command-0")

    page.keyboard.press("ArrowDown")

    expect(field).to_have_attribute("aria-activedescendant", "command-1")
    expect(page.locator("#command-1")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#command-0")).to_have_attribute("aria-selected", "false")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".command").last).to_have_attribute("aria-selected", "true")


def test_the_list_of_keys_opens_and_closes_and_single_letters_can_be_off(page: Page) -> None:
    page.keyboard.press("?")
    overlay = page.locator("#help")
    expect(overlay).to_contain_text("Show the next columns")
    expect(overlay).to_contain_text("Page Down")
    expect(page.locator("#help-off")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(overlay).to_be_hidden()

    page.evaluate("document.documentElement.dataset.keys = 'off'")
    page.keyboard.press("?")
    expect(overlay).to_be_hidden()
    # The button and the palette work in any case.
    page.locator(".line-keys").click()
    expect(page.locator("#help-off")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
