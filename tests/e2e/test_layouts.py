"""Columns of the chain: chosen and ordered by keyboard, saved as a layout, there in every browser of the trader."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import log_in
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

LIVE_ROWS = "() => document.querySelectorAll('.strike-row[data-call=live]').length > 20"
CALLS = ".column-row > .call"
PUTS = ".column-row > .put"


def open_chain(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#RELIANCE")
    page.wait_for_function(LIVE_ROWS)


def save_layout_by_keyboard(page: Page, name: str) -> None:
    """From the preset Price: no change of open interest, and the volatility first."""
    page.locator("#column-menu-summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("ΔOI", exact=True)).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_label("ΔOI", exact=True)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("IV", exact=True)).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowUp")
    expect(page.get_by_label("IV", exact=True)).to_be_focused()
    expect(page.locator("#column-menu-state")).to_have_text("not saved")
    page.keyboard.press("Tab")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator(".chip.layout", has_text=name)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#column-menu-summary")).to_be_focused()


def test_a_layout_is_saved_by_keyboard_and_is_there_after_a_reload_and_in_another_browser(
    page: Page, browser: Browser, stack: Stack
) -> None:
    open_chain(page, stack)
    tab = page.context.new_page()
    open_chain(tab, stack)

    save_layout_by_keyboard(page, "Scalp")

    expect(page.locator(CALLS)).to_have_text(["IV", "OI", "Volume", "Chg", "Bid", "LTP", "Ask"])
    expect(page.locator(PUTS)).to_have_text(["Bid", "LTP", "Ask", "Chg", "Volume", "OI", "IV"])
    # Another tab has the button at once, and keeps its own columns.
    expect(tab.locator(".chip.layout")).to_have_text(["Scalp"])
    expect(tab.locator("#ladder")).to_have_attribute("data-columns", "trade")

    page.reload()
    page.wait_for_function(LIVE_ROWS)
    expect(page.locator(CALLS)).to_have_text(["IV", "OI", "Volume", "Chg", "Bid", "LTP", "Ask"])

    other = browser.new_context(viewport={"width": 1600, "height": 1000})
    log_in(other, stack, "trader1")
    second = other.new_page()
    open_chain(second, stack)
    expect(second.locator("#ladder")).to_have_attribute("data-columns", "trade")
    second.locator(".chip.layout", has_text="Scalp").click()
    expect(second.locator(CALLS)).to_have_text(["IV", "OI", "Volume", "Chg", "Bid", "LTP", "Ask"])
    other.close()


def test_a_layout_is_in_the_cycle_and_the_palette_and_in_the_export(page: Page, stack: Stack, tmp_path: Path) -> None:
    open_chain(page, stack)
    save_layout_by_keyboard(page, "Scalp")
    ladder, heads = page.locator("#ladder"), page.locator(CALLS)

    page.locator("#chain").focus()
    page.keyboard.press("g")
    expect(ladder).to_have_attribute("data-columns", "trade")
    for _ in ("greeks", "both", "straddle", "layout"):
        page.keyboard.press("g")
    expect(ladder).to_have_attribute("data-columns", "layout")
    page.keyboard.press("g")
    page.keyboard.press("Control+k")
    page.keyboard.type("scalp columns")
    page.keyboard.press("Enter")
    expect(heads).to_have_count(7)

    page.locator("#export-summary").click()
    with page.expect_download() as started:
        page.locator("#export-csv").click()
    started.value.save_as(tmp_path / "chain.csv")
    calls, _, puts = (tmp_path / "chain.csv").read_text("utf-8").splitlines()[0].partition(",Strike,")
    assert calls == "\ufeffCall state,Call IV,Call OI,Call volume,Call change,Call bid,Call LTP,Call ask"
    assert puts == "Put bid,Put LTP,Put ask,Put change,Put volume,Put OI,Put IV,Put state"


def test_a_layout_is_changed_renamed_and_deleted(page: Page, stack: Stack) -> None:
    open_chain(page, stack)
    save_layout_by_keyboard(page, "Scalp")
    page.locator("#column-menu-summary").click()
    page.locator("#column-list").get_by_label("OI", exact=True).uncheck()
    page.locator("#layout-save").click()
    expect(page.locator("#layout-save")).to_be_disabled()

    page.locator("#layout-name").fill("Scalp")
    page.locator("#layout-create").click()
    expect(page.locator("#layout-error")).to_have_text("You have a layout Scalp already.")
    page.locator("#layout-name").fill("Fast")
    page.locator("#layout-rename").click()
    expect(page.locator(".chip.layout")).to_have_text(["Fast"])
    expect(page.locator(".chip.layout")).to_have_attribute("aria-pressed", "true")

    page.locator("#layout-delete").click()

    expect(page.locator(".chip.layout")).to_have_count(0)
    # Its columns stay until the trader chooses others.
    expect(page.locator(CALLS)).to_have_text(["IV", "Volume", "Chg", "Bid", "LTP", "Ask"])
    page.locator("[data-columns=trade]:visible").first.click()
    expect(page.locator(".strike-row .oi-change").first).to_be_visible()
