"""The chain follows the spot until the trader scrolls, and the screen can be paused."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

SHOWN = 61
"""Strikes of the shown window: fewer than the server sends, so that a test can move the window."""
ROW_PX = 24
LINE = "() => document.querySelector('.above-spot').getBoundingClientRect().top"
TOP_OF = """strike => [...document.querySelectorAll('.strike-row .strike')]
  .find(one => one.textContent === strike).getBoundingClientRect().top"""
LIVE_ROWS = "() => document.querySelectorAll('.strike-row[data-call=live]').length > 20"


class Window:
    """The socket of a page, through which a test shows another window of the open chain, as a recentre does."""

    def __init__(self, page: Page) -> None:
        self._route: WebSocketRoute | None = None
        self._chain: dict[str, Any] = {}
        self._first = 20
        page.route_web_socket(re.compile("/ws/market/"), self._connect)

    def _connect(self, route: WebSocketRoute) -> None:
        self._route = route
        route.connect_to_server().on_message(lambda message: self._pass(route, message))

    def _pass(self, route: WebSocketRoute, message: str | bytes) -> None:
        if isinstance(message, str) and json.loads(message)["type"] == "chain":
            self._chain = json.loads(message)
            message = self._shown()
        route.send(message)

    def _shown(self) -> str:
        return json.dumps({**self._chain, "strikes": self._chain["strikes"][self._first : self._first + SHOWN]})

    def recentre(self, *, first: int) -> None:
        self._first = first
        assert self._route is not None
        self._route.send(self._shown())


@pytest.fixture
def window(page: Page, stack: Stack) -> Window:
    """Return the window of `page`, which shows NIFTY."""
    page.set_viewport_size({"width": 1600, "height": 700})
    one = Window(page)
    page.goto(f"{stack.url}/#NIFTY")
    page.reload()
    page.wait_for_function(LIVE_ROWS)
    expect(page.locator(".strike-row")).to_have_count(SHOWN)
    return one


def first_strike(page: Page) -> str:
    return page.locator(".strike-row .strike").first.inner_text()


def test_a_recentre_keeps_the_line_of_the_spot_the_rows_and_the_focus(page: Page, window: Window) -> None:
    expect(page.locator("#recenter")).to_have_text("Follow")
    page.locator(".strike-row.atm .put.bid").click()
    page.evaluate("document.activeElement.isTheSame = true")
    line, first = page.evaluate(LINE), first_strike(page)

    window.recentre(first=26)

    expect(page.locator(".strike-row .strike").first).not_to_have_text(first)
    assert abs(page.evaluate(LINE) - line) <= ROW_PX
    assert page.evaluate("document.activeElement.isTheSame === true")
    expect(page.locator("#recenter")).to_have_text("Follow")
    expect(page.locator(".strike-row")).to_have_count(SHOWN)


def test_scrolling_pauses_and_a_key_returns(page: Page, window: Window) -> None:
    page.locator(".strike-row.atm .put.bid").hover()
    page.mouse.wheel(0, -5 * ROW_PX)
    chip = page.locator("#recenter")
    expect(chip).to_have_text("Paused · . to return")
    expect(chip).to_have_attribute("aria-pressed", "false")
    anchor = page.locator(".strike-row.atm .strike").inner_text()
    top, first = page.evaluate(TOP_OF, anchor), first_strike(page)

    # Nothing moves under the pointer.
    window.recentre(first=16)

    expect(page.locator(".strike-row .strike").first).not_to_have_text(first)
    assert abs(page.evaluate(TOP_OF, anchor) - top) <= 1
    expect(chip).to_have_text("Paused · . to return")

    page.keyboard.press(".")

    expect(chip).to_have_text("Follow")
    box, ladder = page.locator(".strike-row.atm").bounding_box(), page.locator("#ladder").bounding_box()
    assert box is not None
    assert ladder is not None
    # In the middle, below the head of the columns.
    assert abs(box["y"] - (ladder["y"] + ladder["height"] / 2)) <= 2 * ROW_PX
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "false")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")


def test_a_paused_screen_stands_still_and_says_so(page: Page, window: Window) -> None:
    page.locator("#chain").focus()
    page.keyboard.press("Space")
    expect(page.locator("#line-pause")).to_contain_text("Paused")
    expect(page.locator("#connection-label")).to_have_text("Paused")
    prices = page.locator(".strike-row .ltp").all_inner_texts()
    first = first_strike(page)

    window.recentre(first=24)
    # The age goes on: the page lives.
    expect(page.locator("#line-pause")).to_contain_text(re.compile(r"Paused [2-9]\.\d s"))

    assert page.locator(".strike-row .ltp").all_inner_texts() == prices
    assert first_strike(page) == first

    page.keyboard.press("Space")

    expect(page.locator("#line-pause")).to_have_text(re.compile("^Pause"))
    expect(page.locator(".strike-row .strike").first).not_to_have_text(first)
    expect(page.locator("#connection-label")).not_to_have_text("Paused")
