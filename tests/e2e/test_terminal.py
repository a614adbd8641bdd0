"""A trader's workflows in a real browser on a running terminal."""

import re

import pytest
from django.db.models import F
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, Route, expect
from pytest_django import Settings

from subscriptions import services
from subscriptions.models import FeedConnection
from tests.e2e.stack import PASSWORD, Stack, expect_live_feed, in_separate_session
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

MOVES_WITHIN_MS = 2_000
STREAMS_WITHIN_MS = 5_000  # for most legs; illiquid ones tick rarely
STALE_WITHIN_MS = 2_500  # RECEIVING_WITHIN_MS of the page, and one of its checks


def add_reliance(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("reliance")
    expect(page.locator("[role=option]").first).to_contain_text("RELIANCE")
    page.keyboard.press("ArrowRight")
    page.locator(".chip.preferred").click()
    expect(page.locator(".entry")).to_have_count(1)


def prices_on(page: Page) -> list[str]:
    texts: list[str] = page.locator(".strike-row .ltp").all_inner_texts()
    return texts


def test_a_trader_adds_a_chain_sees_it_move_and_removes_it(page: Page, stack: Stack) -> None:
    add_reliance(page)

    expect(page.locator("#chain-title")).to_have_text("RELIANCE")
    expect(page.locator("#legs")).to_have_text("50")
    expect(page.locator(".strike-row")).to_have_count(25)
    expect(page.locator(".strike-row.atm")).to_have_count(1)
    expect(page.locator("#chain-add")).to_be_hidden()
    before = prices_on(page)
    page.wait_for_function(
        "before => [...document.querySelectorAll('.strike-row .ltp')].some((one, at) => one.innerText !== before[at])",
        arg=before,
        timeout=MOVES_WITHIN_MS,
    )
    page.wait_for_function(
        "() => document.querySelectorAll('.strike-row[data-call=live][data-put=live]').length > 20",
        timeout=STREAMS_WITHIN_MS,
    )
    expect(page.locator(".entry .price")).to_contain_text(".")
    expect(page.locator("#connection")).to_have_attribute("data-tone", "live")
    # Fifty legs and their spot.
    assert stack.count_streams() == 51

    page.locator(".entry-remove").click()

    expect(page.locator(".entry")).to_have_count(0)
    expect(page.locator("#entries-empty")).to_be_visible()
    expect(page.locator("#chain-add")).to_be_visible()
    # The chain is still open, so it goes on.
    expect(page.locator("#chain-banner")).to_be_hidden()
    assert stack.count_streams() == 51


def test_an_opened_chain_streams_for_all_its_viewers_and_stops_after_the_last_one_left(
    page: Page, stack: Stack, settings: Settings
) -> None:
    other = page.context.new_page()
    for one in (page, other):
        one.goto(f"{stack.url}/#RELIANCE")
        one.wait_for_function("() => document.querySelectorAll('.strike-row[data-call=live]').length > 20")
        expect(one.locator("#chain-banner")).to_be_hidden()
        expect(one.locator("#chain-add")).to_be_visible()
    expect(page.locator("#entries-empty")).to_be_visible()
    assert stack.count_streams() == 51

    other.close()
    assert release_unviewed() == 0
    page.goto("about:blank")

    # In place of the minute. Only now: a page that shows a chain notes it every half minute.
    settings.VIEW_SECONDS = 1
    wait_until(lambda: release_unviewed() == 1, message="the chain without viewers is released")
    wait_until(lambda: stack.count_streams() == 0, message="nothing streams")


def release_unviewed() -> int:
    """Run the periodic task; return the number of released chains."""
    return in_separate_session(lambda: services.release_unviewed(now=timezone.now()).claims)


def test_a_chain_without_room_is_shown_with_the_reason_and_streams_when_it_is_added(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#NIFTY")
    page.wait_for_function("() => document.querySelectorAll('.strike-row[data-call=live]').length > 20")
    page.locator("#chain-add").click()
    expect(page.locator(".entry")).to_have_count(1)
    try:
        in_separate_session(lambda: FeedConnection.objects.update(capacity=F("load")))
        page.goto(f"{stack.url}/#RELIANCE")

        expect(page.locator("#chain-banner")).to_contain_text("all live instruments are in use")
        expect(page.locator(".strike-row")).to_have_count(25)
        expect(page.locator(".entry")).to_contain_text("options")

        page.locator("#chain-add").click()

        expect(page.locator("#chain-banner")).to_be_hidden()
        expect(page.locator(".toast")).to_contain_text("Added RELIANCE")
        page.wait_for_function("() => document.querySelectorAll('.strike-row[data-call=live]').length > 20")
    finally:
        in_separate_session(lambda: FeedConnection.objects.update(capacity=5_000))


def test_a_frozen_feed_is_shown_as_stale_and_its_prices_turn_gray(page: Page, stack: Stack) -> None:
    add_reliance(page)
    page.wait_for_function("() => document.querySelectorAll('.strike-row[data-call=live]').length > 20")

    stack.freeze_feed()

    expect(page.locator("#connection-label")).to_have_text("Stale", timeout=STALE_WITHIN_MS)
    expect(page.locator(".strike-row[data-call=live]")).to_have_count(0)
    # On a day without a session, a share without a trade in the last seconds shows its closing price.
    expect(page.locator(".entry")).to_have_attribute("data-quote", re.compile("stale|closed"))

    stack.thaw_feed()

    expect(page.locator("#connection")).to_have_attribute("data-tone", "live", timeout=30_000)
    page.wait_for_function("() => document.querySelectorAll('.strike-row[data-call=live]').length > 20")


def test_searching_by_contract_offers_its_expiry(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("nifty 25000 ce")

    first = page.locator("[role=option]").first
    expect(first).to_contain_text("NIFTY")
    expect(first).to_contain_text("25,000 CE")
    expect(first.locator(".kind")).to_have_text("Option")


def test_a_late_answer_of_the_search_does_not_replace_the_offers_of_a_chosen_hit(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("relia")
    expect(page.locator("[role=option]").first).to_contain_text("RELIANCE")
    late: list[Route] = []

    def hold(route: Route) -> None:
        late.append(route)

    page.route("**/instruments/search?*", hold)
    with page.expect_request("**/instruments/search?*"):
        page.keyboard.type("n")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chip.preferred")).to_be_visible()

    late[0].fulfill(json={"results": []})
    page.evaluate("new Promise((done) => setTimeout(done))")

    expect(page.locator(".chip.preferred")).to_be_visible()
    expect(page.locator("#search-panel")).not_to_contain_text("No instrument matches")


def test_an_unknown_symbol_and_a_search_without_hits_show_a_message(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#NOSUCHTHING")
    expect(page.locator("#chain")).to_have_attribute("data-state", "error")
    expect(page.locator("#chain-sentence")).to_contain_text("NOSUCHTHING")

    page.keyboard.press("/")
    page.keyboard.type("zzzzzz")
    expect(page.locator("#search-panel")).to_contain_text("No instrument matches")


def test_two_tabs_of_a_trader_show_the_same_list(page: Page, stack: Stack) -> None:
    other = page.context.new_page()
    other.goto(stack.url)
    expect(other.locator("#entries-empty")).to_be_visible()
    expect(other.locator("#connection")).not_to_have_attribute("data-tone", "wait")

    page.bring_to_front()
    add_reliance(page)

    expect(other.locator(".entry")).to_have_count(1)


def test_a_phone_shows_one_view_at_a_time_and_the_chain_around_the_money(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    expect(page.locator("#chain")).to_be_hidden()
    add_reliance(page)

    # The chain that was opened is the view, in full height.
    expect(page.locator("#side")).to_be_hidden()
    expect(page.locator(".strike-row")).to_have_count(25)
    expect(page.locator(".strike-row.atm")).to_be_in_viewport(ratio=1)
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [360, 740]
    page.locator("button[data-columns=depth]").click()
    expect(page.locator(".strike-row .bid").first).to_be_visible()
    expect(page.locator(".strike-row .oi").first).to_be_hidden()

    page.get_by_role("tab", name="List").click()
    expect(page.locator("#chain")).to_be_hidden()
    page.locator(".entry-open").click()
    expect(page.locator(".strike-row.atm")).to_be_in_viewport(ratio=1)


def test_the_theme_is_chosen_and_remembered(page: Page) -> None:
    with page.expect_response("**/settings/theme"):
        page.locator("#theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    page.reload()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(231, 236, 242)"


def test_a_trader_logs_in_and_logs_out(context: BrowserContext, stack: Stack) -> None:
    page = context.new_page()
    page.goto(stack.url)
    page.fill("#id_username", "trader1")
    page.fill("#id_password", PASSWORD)
    page.click("text=Log in")
    page.wait_for_url(f"{stack.url}/")
    expect_live_feed(page)

    page.locator(".user summary").click()
    page.locator("text=Log out").click()

    page.wait_for_url(f"{stack.url}/login/")
    page.goto(stack.url)
    expect(page.locator("h1")).to_have_text("Broking Terminal")


def test_the_keyboard_changes_columns_expiry_and_strikes(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#NIFTY")
    expect(page.locator(".strike-row")).to_have_count(101)
    ladder = page.locator("#ladder")
    expect(ladder).to_have_attribute("data-columns", "trade")

    page.keyboard.press("g")
    expect(ladder).to_have_attribute("data-columns", "greeks")
    expect(page.locator(".strike-row .volume").first).to_be_hidden()
    page.keyboard.press("g")
    expect(ladder).to_have_attribute("data-columns", "both")
    expect(page.locator(".strike-row .volume").first).to_be_visible()
    expect(page.locator(".strike-row .iv").first).to_be_visible()

    tabs = page.locator("#chain-expiries button")
    expect(tabs.nth(0)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("]")
    expect(tabs.nth(1)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("[")
    expect(tabs.nth(0)).to_have_attribute("aria-pressed", "true")

    page.locator("#strikes").select_option("11")
    expect(page.locator(".strike-row")).to_have_count(11)
    # Letters in a field are no shortcuts.
    page.locator("#search").press("g")
    expect(ladder).to_have_attribute("data-columns", "both")


def test_open_interest_has_bars_and_the_spot_is_a_line_between_strikes(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/#RELIANCE")
    page.wait_for_function("() => document.querySelectorAll('.strike-row[data-call=live]').length > 20")

    page.wait_for_function(
        "() => [...document.querySelectorAll('.strike-row .bar')].some(one => one.style.transform === 'scaleX(1)')"
    )
    line = page.locator(".strike-row.above-spot")
    expect(line).to_have_count(1)
    expect(line).to_have_attribute("data-money", "put")
    expect(page.locator(".strike-row.above-spot .put.ltp")).to_have_css("border-top-width", "2px")
