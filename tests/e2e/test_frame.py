"""The frame of the terminal in a real browser: status line, chip, loss of the socket."""

import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from accounts.models import User
from tests.e2e.stack import Stack, expect_live_feed, in_separate_session

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

LIVE_ROWS = "() => document.querySelectorAll('.strike-row[data-call=live]').length > 20"


class Wire:
    """The socket of a page, which a test cuts; while it is cut, a new one is closed at once."""

    def __init__(self, page: Page) -> None:
        self._open: list[WebSocketRoute] = []
        self._is_cut = False
        page.route_web_socket(re.compile("/ws/market/"), self._connect)

    def _connect(self, route: WebSocketRoute) -> None:
        if self._is_cut:
            route.close(code=1012)
            return
        route.connect_to_server()
        self._open.append(route)

    def cut(self) -> None:
        self._is_cut = True
        while self._open:
            self._open.pop().close(code=1012)

    def mend(self) -> None:
        self._is_cut = False


@pytest.fixture
def wire(page: Page, stack: Stack) -> Wire:
    """Return the wire of `page`, which shows a chain that streams."""
    one = Wire(page)
    page.goto(f"{stack.url}/#RELIANCE")
    page.reload()
    page.wait_for_function(LIVE_ROWS)
    return one


def test_the_status_line_has_the_connections_the_room_and_the_lag(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#RELIANCE")
    page.wait_for_function(LIVE_ROWS)

    expect(page.locator("#line-feed")).to_have_text(re.compile(r"^feed \d/5$"))
    # 50 options and their spot; the room is read every five seconds.
    expect(page.locator("#line-room")).to_have_text("51/25,000", timeout=15_000)
    expect(page.locator("#line-lag")).to_have_text(re.compile(r"^trade lag p50 (\d+\.\d s|\u2013)$"))
    expect(page.locator("#line-rate")).to_have_text(re.compile(r"^\d fps$"))
    expect(page.locator("#session")).to_have_text(re.compile(r"^NSE (open|closed)"))


def test_a_cut_socket_shows_its_cause_and_the_page_goes_on_without_dashes(page: Page, wire: Wire) -> None:
    page.evaluate(WATCH_DASHES)
    left = page.locator("#indices").bounding_box()

    wire.cut()

    expect(page.locator("#connection-label")).to_have_text("Reconnecting")
    expect(page.locator(".strike-row[data-call=live]")).to_have_count(0)
    wire.mend()
    page.evaluate("window.dispatchEvent(new Event('online'))")

    page.wait_for_function(LIVE_ROWS)
    expect_live_feed(page)
    expect(page.locator("#line-reconnect")).to_have_text(
        re.compile(r"^last reconnect \d\d:\d\d \(this page: the server restarted\)$")
    )
    assert page.evaluate("window.dashes") == 0
    assert page.locator("#indices").bounding_box() == left


WATCH_DASHES = """() => {
  const ladder = document.getElementById("ladder");
  const count = () => [...ladder.querySelectorAll(".ltp")].filter((one) => one.textContent === "\\u2013").length;
  const before = count();
  window.dashes = 0;
  const note = () => { window.dashes = Math.max(window.dashes, count() - before); };
  new MutationObserver(note).observe(ladder, { subtree: true, characterData: true });
}"""
"""Counts the prices of the ladder that become dashes."""


def test_a_page_that_loads_shows_no_alarm_before_its_first_prices(page: Page, stack: Stack) -> None:
    page.add_init_script(
        """document.addEventListener("DOMContentLoaded", () => {
          window.tones = new Set();
          const chip = document.getElementById("connection");
          new MutationObserver(() => window.tones.add(chip.dataset.tone)).observe(chip, { attributes: true });
        })"""
    )
    page.goto(f"{stack.url}/#NIFTY")
    page.reload()
    expect_live_feed(page)

    assert "warn" not in page.evaluate("[...window.tones]")


def test_a_notice_is_shown_for_a_moment_and_stays_behind_the_bell(page: Page, stack: Stack) -> None:
    in_separate_session(lambda: User.objects.update(instrument_quota=1))
    page.goto(f"{stack.url}/#RELIANCE")
    page.wait_for_function(LIVE_ROWS)
    ladder = page.locator("#ladder").bounding_box()

    # Of the second expiry nothing streams yet that the trader could share.
    page.keyboard.press("]")
    expect(page.locator("#chain-add")).to_be_visible()
    page.locator("#chain-add").click()

    expect(page.locator(".toast")).to_contain_text("live instruments")
    assert page.locator("#ladder").bounding_box() == ladder
    expect(page.locator("#bell")).to_have_attribute("aria-label", "Notices, 1 new")
    expect(page.locator(".toast")).to_have_count(0, timeout=12_000)

    page.locator("#bell").click()
    expect(page.locator(".notice")).to_contain_text("live instruments")
    expect(page.locator("#bell-count")).to_be_empty()
    page.keyboard.press("Escape")
    expect(page.locator(".notice")).to_be_hidden()
    expect(page.locator("#bell")).to_be_focused()

    page.keyboard.press("Enter")
    page.locator("#notices-dismiss").click()
    expect(page.locator(".notice")).to_have_count(0)


def test_the_menu_of_the_user_closes_on_escape_and_on_a_click_elsewhere(page: Page) -> None:
    menu = page.locator(".user-menu")
    page.locator("#user-summary").click()
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(page.locator("#user-summary")).to_be_focused()

    page.locator("#user-summary").click()
    page.locator("#chain").click()

    expect(menu).to_be_hidden()
