"""What a day brings to open pages: other traders, the end of the day, the next morning, a restart of the server."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from devstack.ports import choose_port
from marketdata.domain.sessions import IST
from subscriptions.models import EndOfDayRun
from tests.e2e.conftest import log_in
from tests.e2e.stack import Stack, expect_live_feed, in_separate_session
from tests.e2e.test_terminal import add_reliance
from tests.web_servers import web_process_on
from watchlists import services as watchlists

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

LIVE_ROWS = "() => document.querySelectorAll('.strike-row[data-call=live][data-put=live]').length > 20"


@pytest.fixture
def other_page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """Yield a page of another trader."""
    in_separate_session(lambda: User.objects.get_or_create(username="trader2"))
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    log_in(context, stack, "trader2")
    page = context.new_page()
    page.goto(stack.url)
    expect_live_feed(page)
    yield page
    context.close()


def test_two_traders_share_one_stream_and_each_has_a_list(page: Page, other_page: Page, stack: Stack) -> None:
    for one in (page, other_page):
        add_reliance(one)
        one.wait_for_function(LIVE_ROWS)
    # 50 options and their spot, once for both.
    assert stack.count_streams() == 51

    page.locator(".entry-remove").click()
    page.reload()  # Without the five seconds in which the removal can be undone.

    expect(page.locator("#entries-empty")).to_be_visible()
    expect(other_page.locator(".entry")).to_have_count(1)
    other_page.wait_for_function(LIVE_ROWS)
    assert stack.count_streams() == 51


@pytest.fixture
def evening() -> Iterator[datetime]:
    """Return a moment after the end of tomorrow, whose run is forgotten after the test."""
    tomorrow = timezone.now().astimezone(IST).date() + timedelta(days=1)
    yield datetime.combine(tomorrow, time(15, 31), tzinfo=IST)
    in_separate_session(lambda: EndOfDayRun.objects.filter(closes=tomorrow).delete())


def test_a_kept_entry_streams_again_in_the_morning_and_the_others_end_with_the_day(
    page: Page, stack: Stack, evening: datetime
) -> None:
    add_reliance(page)
    page.goto(f"{stack.url}/#NIFTY")
    page.locator("#chain-add").click()
    expect(page.locator(".entry")).to_have_count(2)
    kept = page.locator(".entry", has_text="RELIANCE")
    kept.locator(".entry-keep").click()
    expect(kept.locator(".entry-keep")).to_have_attribute("aria-pressed", "true")
    # A page that shows a chain streams it; the list alone is tested here.
    page.goto(f"{stack.url}/settings")

    in_separate_session(lambda: watchlists.end_of_day(closes=evening.date(), actor="test", now=evening))
    page.goto(stack.url)

    expect(page.locator(".entry")).to_have_count(1)
    expect(kept).to_contain_text("Kept: streams again at 08:45")
    expect(kept.locator(".price")).to_have_text("\N{EN DASH}")

    assert in_separate_session(lambda: watchlists.restore_kept(now=timezone.now())).entries == 1

    # By the notice to the open page.
    expect(kept.locator(".entry-state")).to_have_count(0)
    expect(kept.locator(".price")).to_contain_text(".")


def test_a_page_goes_on_by_itself_after_the_server_was_restarted(page: Page, stack: Stack, tmp_path: Path) -> None:
    port = choose_port()
    with web_process_on(port, tmp_path, **stack.web_variables) as (address, _):
        page.goto(f"http://{address}/#RELIANCE")
        page.wait_for_function(LIVE_ROWS)

    expect(page.locator("#connection-label")).to_have_text("Reconnecting")
    expect(page.locator(".strike-row[data-call=live]")).to_have_count(0)

    with web_process_on(port, tmp_path, **stack.web_variables):
        page.wait_for_function(LIVE_ROWS, timeout=60_000)
        expect(page.locator("#connection")).to_have_attribute("data-tone", "live")
