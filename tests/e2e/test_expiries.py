"""The expiries of the open chain: six tabs, the others in a menu, and keys that step through all."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]


def test_the_nearest_expiries_are_tabs_and_keys_step_on_into_the_menu(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#NIFTY")
    tabs, others = page.locator("#expiry-tabs button"), page.locator("#expiry-more-list button")
    more = page.locator("#expiry-more-summary")
    expect(tabs).to_have_count(6)
    # Date, days left, and weekly, monthly or quarterly.
    expect(tabs.nth(1)).to_have_text(re.compile(r"^\d+ \w+( .\d\d)?\d+d[WMQ]$"))
    expect(more).to_have_text("more")
    expect(others.first).to_be_hidden()

    tabs.nth(5).click()
    expect(tabs.nth(5)).to_have_attribute("aria-pressed", "true")
    page.locator("#chain").focus()
    page.keyboard.press("]")

    expect(others.first).to_have_attribute("aria-pressed", "true")
    expect(more).to_have_text(others.first.text_content() or "")
    page.keyboard.press("[")
    expect(tabs.nth(5)).to_have_attribute("aria-pressed", "true")
    expect(more).to_have_text("more")

    more.click()
    others.nth(1).click()

    expect(others.nth(1)).to_be_hidden()
    expect(others.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(more).to_be_focused()
