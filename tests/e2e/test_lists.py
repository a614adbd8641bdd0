"""Several lists in a browser: a move between them, an undone removal, and the meter of the quota."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.e2e.stack import Stack, in_separate_session
from tests.waiting import wait_until
from watchlists.models import EntryKind, NamedList, WatchlistEntry
from watchlists.services import add_entry

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]


def add_shares(page: Page) -> None:
    """Put two items on the trader's only list."""
    in_separate_session(_add_shares)
    page.reload()
    expect(page.locator(".entry")).to_have_count(2)


def _add_shares() -> None:
    trader = User.objects.get(username="trader1")
    NamedList.objects.filter(user=trader).delete()
    for symbol, kind in (("RELIANCE", EntryKind.EQUITY), ("NIFTY", EntryKind.FUTURE)):
        add_entry(user_id=trader.pk, actor="trader1", symbol=symbol, kind=kind, now=timezone.now())


def count_entries() -> int:
    return in_separate_session(WatchlistEntry.objects.count)


def test_an_entry_moves_to_a_new_list_and_goes_on_streaming(page: Page, stack: Stack) -> None:
    add_shares(page)
    claims = in_separate_session(lambda: sorted(WatchlistEntry.objects.values_list("claim_id", flat=True)))
    other = page.context.new_page()
    other.goto(stack.url)
    expect(other.locator(".list-tab")).to_have_count(1)

    page.locator("#list-new").click()
    page.get_by_label("Name of the list").fill("Banks")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Banks")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#entries-empty")).to_be_visible()

    page.locator("body").press("1")
    expect(page.locator(".entry")).to_have_count(2)
    page.get_by_role("button", name="Move RELIANCE", exact=True).click()
    page.get_by_role("menuitem", name="Move to Banks").click()

    expect(page.locator(".entry")).to_have_count(1)
    page.locator("body").press("2")
    expect(page.locator(".entry-open")).to_contain_text(["RELIANCE"])
    expect(other.locator(".list-tab")).to_have_count(2)
    expect(other.locator(".entry")).to_have_count(1)
    assert in_separate_session(lambda: sorted(WatchlistEntry.objects.values_list("claim_id", flat=True))) == claims


def test_a_removal_is_undone_and_one_that_is_not_is_stored(page: Page, stack: Stack) -> None:
    add_shares(page)

    page.locator(".entry-open").first.focus()
    page.keyboard.press("x")

    expect(page.locator(".entry")).to_have_count(1)
    expect(page.locator(".entry-open").first).to_be_focused()
    assert count_entries() == 2

    page.get_by_role("button", name="Undo").click()

    expect(page.locator(".entry-open").first).to_contain_text("RELIANCE")
    expect(page.locator(".entry-open").first).to_be_focused()

    page.keyboard.press("x")
    expect(page.locator(".entry")).to_have_count(1)
    page.goto("about:blank")

    wait_until(lambda: count_entries() == 1, message="a page that is left stores the removal")


def test_the_meter_lists_what_uses_the_quota_and_opens_at_a_refusal(page: Page, stack: Stack) -> None:
    add_shares(page)
    expect(page.locator("#meter-text")).to_have_text("2 / 5,000")
    in_separate_session(lambda: User.objects.update(instrument_quota=2))
    page.reload()
    expect(page.locator("#meter")).to_have_attribute("data-tone", "warn")
    expect(page.locator("#meter-list")).to_be_hidden()

    page.goto(f"{stack.url}/#RELIANCE")
    page.locator("#chain-add").click()

    expect(page.locator("#meter-list")).to_contain_text(re.compile("NIFTY.*RELIANCE|RELIANCE.*NIFTY", re.DOTALL))
    expect(page.locator(".notice")).to_contain_text("you have 0 left")
