"""The watchlist in a browser: its order, *keep*, and the focus."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.e2e.stack import Stack, in_separate_session
from watchlists.models import EntryKind, WatchlistEntry
from watchlists.services import add_entry

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

ITEMS = (("RELIANCE", "EQUITY"), ("NIFTY", "FUTURE"), ("RELIANCE", "FUTURE"))
SHARE, NIFTY, FUTURE = (f"{symbol} {kind}" for symbol, kind in ITEMS)


def add_items(page: Page) -> None:
    """Put a share and two futures on the list of the trader whose page it is."""
    in_separate_session(_add_items)
    page.reload()
    expect_order(page, SHARE, NIFTY, FUTURE)


def _add_items() -> None:
    trader = User.objects.get(username="trader1")
    for symbol, kind in ITEMS:
        now = timezone.now()
        add_entry(user_id=trader.pk, actor="trader1", symbol=symbol, kind=EntryKind(kind), now=now)


def expect_order(page: Page, *items: str) -> None:
    names = [re.compile(f"{item.split()[0]}.*{item.split()[1]}", re.IGNORECASE | re.DOTALL) for item in items]
    expect(page.locator(".entry-open")).to_have_text(names)


def test_rows_move_by_keyboard_and_by_drag_in_every_tab(page: Page, stack: Stack) -> None:
    add_items(page)
    other = page.context.new_page()
    other.goto(stack.url)
    expect_order(other, SHARE, NIFTY, FUTURE)

    page.locator(".entry-open").nth(2).focus()
    page.keyboard.press("Alt+ArrowUp")

    expect_order(other, SHARE, FUTURE, NIFTY)
    expect_order(page, SHARE, FUTURE, NIFTY)
    expect(page.locator(".entry-open").nth(1)).to_be_focused()

    # Chromium often begins no drag in a tab that is behind another one.
    page.bring_to_front()
    page.locator(".entry").nth(2).hover()
    page.locator(".entry-grip").nth(2).drag_to(page.locator(".entry").first, target_position={"x": 60, "y": 4})

    expect_order(other, NIFTY, SHARE, FUTURE)
    page.reload()
    expect_order(page, NIFTY, SHARE, FUTURE)


def test_keep_is_a_star_and_the_focus_stays_in_the_list(page: Page, stack: Stack) -> None:
    add_items(page)
    star = page.get_by_role("button", name="Keep NIFTY")
    expect(star).to_have_attribute("aria-pressed", "false")

    star.focus()
    page.keyboard.press("Enter")

    expect(star).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()
    assert in_separate_session(lambda: WatchlistEntry.objects.get(keep=True).underlying_symbol) == "NIFTY"

    page.get_by_role("button", name="Remove NIFTY").focus()
    page.keyboard.press("Enter")

    expect_order(page, SHARE, FUTURE)
    # The row in the place of the removed one has it.
    expect(page.locator(".entry-remove").nth(1)).to_be_focused()
