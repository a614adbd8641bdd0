"""Every page of traders has no violation that axe-core finds, in each theme."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.e2e.stack import Stack
from tests.e2e.test_terminal import add_reliance

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

THEMES = ("light", "dark", "contrast")
LONGEST_REPORT = 4_000


def check(page: Page) -> None:
    """Assert that the page has no violation in any theme."""
    for theme in THEMES:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{theme}: {found.generate_report()[:LONGEST_REPORT]}"


@pytest.mark.parametrize("path", ["/scanner/", "/settings", "/status", "/no-such-page"])
def test_a_page_of_a_trader_has_no_violation(page: Page, stack: Stack, path: str) -> None:
    page.goto(f"{stack.url}{path}", wait_until="load")

    check(page)


def test_the_login_page_has_no_violation(browser: Browser, stack: Stack) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(stack.url)

    check(page)
    context.close()


def test_the_empty_terminal_has_no_violation(page: Page) -> None:
    expect(page.locator("#entries-empty")).to_be_visible()

    check(page)


def test_a_chain_with_its_list_has_no_violation_live_and_stale(page: Page, stack: Stack) -> None:
    add_reliance(page)
    expect(page.locator(".strike-row")).to_have_count(25)
    page.locator("button[data-columns=both]").click()
    page.keyboard.press("c")
    expect(page.locator("#charts")).to_be_visible()
    page.locator(".strike-row.atm .call.ltp").click()
    expect(page.locator("#detail")).to_have_attribute("data-quote", "live")

    check(page)

    stack.freeze_feed()
    expect(page.locator("#detail")).to_have_attribute("data-quote", "stale")
    check(page)


@pytest.mark.parametrize("opened", ["palette", "help", "notices", "search"])
def test_a_window_over_the_terminal_has_no_violation(page: Page, opened: str) -> None:
    if opened == "palette":
        page.keyboard.press("Control+k")
        expect(page.locator("#palette-input")).to_be_focused()
    elif opened == "help":
        page.keyboard.press("?")
        expect(page.locator("#help")).to_be_visible()
    elif opened == "notices":
        page.locator("#bell").click()
        expect(page.locator("#notices-empty")).to_be_visible()
    else:
        page.keyboard.press("/")
        page.keyboard.type("reliance")
        expect(page.locator("[role=option]").first).to_contain_text("RELIANCE")

    check(page)


def test_each_view_of_a_phone_has_no_violation(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    add_reliance(page)
    expect(page.locator(".strike-row")).to_have_count(25)

    for name in ("Chain", "Detail", "List"):
        page.get_by_role("tab", name=name).click()
        check(page)
