"""The scanner's page on the running stack, until the analytics worker is killed."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stack import Stack
from tests.e2e.test_terminal import add_reliance
from tests.integration.subscriptions.feed.feed_workers import running_worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

COMPUTES_WITHIN_MS = 30_000  # the start of a worker on a busy machine
STOPPED_WITHIN_MS = 4_000  # the promised three seconds, and a check of the page
UNKNOWN = "\N{EN DASH}"
ROWS = "#scan tbody tr"


def test_the_scanner_ranks_what_streams_until_the_analytics_worker_stops(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    add_reliance(page)
    expect(page.locator(".strike-row")).to_have_count(25)
    page.locator(".topbar-link", has_text="Scanner").click()
    page.select_option("#ranking", "unusual_volume")
    expect(page.locator("#scan-state")).to_contain_text("have stopped", timeout=STOPPED_WITHIN_MS)
    expect(page.locator(ROWS)).to_have_count(0)

    with running_worker(tmp_path, name="analytics", simulator=stack.simulator, queue="analytics") as worker:
        expect(page.locator("#scan-state")).to_have_text("Live", timeout=COMPUTES_WITHIN_MS)
        first = page.locator(ROWS).first
        expect(first.locator("th a")).to_have_text(re.compile(r"^RELIANCE .+ [\d,.]+ (CE|PE)$"))
        ratios = [float(one) for one in page.locator(f"{ROWS} td:last-child").all_inner_texts()]
        assert len(ratios) >= 2
        assert ratios == sorted(ratios, reverse=True)
        page.select_option("#underlying", "NSE:RELIANCE")
        expect(page).to_have_url(re.compile(r"#unusual_volume/NSE:RELIANCE$"))
        expect(page.locator(ROWS).first).to_be_visible()
        _check_that_rows_keep_their_places(page)
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        expect(page.locator(f"{ROWS} td:last-child").first).to_be_in_viewport()
        worker.kill()

    expect(page.locator("#scan-state")).to_contain_text("have stopped", timeout=STOPPED_WITHIN_MS)
    expect(page.locator("#scan")).to_have_attribute("data-state", "stale")
    assert set(page.locator(f"{ROWS} td").all_text_contents()) == {UNKNOWN}
    # The feed goes on.
    expect(page.locator("#connection")).to_have_attribute("data-tone", "live")


def _check_that_rows_keep_their_places(page: Page) -> None:
    """Hold the order under the pointer over several results."""
    page.locator(f"{ROWS} th").first.hover()
    expect(page.locator("#scan-held")).to_be_visible()
    names = page.locator(f"{ROWS} th").all_inner_texts()
    for _ in range(3):
        shown = page.locator("#scan-time").inner_text()
        expect(page.locator("#scan-time")).not_to_have_text(shown)
    assert page.locator(f"{ROWS} th").all_inner_texts() == names
    page.mouse.move(5, 5)
    expect(page.locator("#scan-held")).to_be_hidden()


def test_a_row_opens_the_chain_at_its_strike(page: Page, stack: Stack, tmp_path: Path) -> None:
    add_reliance(page)
    expect(page.locator(".strike-row")).to_have_count(25)
    page.goto(f"{stack.url}/scanner/#unusual_volume")
    with running_worker(tmp_path, name="analytics", simulator=stack.simulator, queue="analytics"):
        link = page.locator(f"{ROWS} th a").first
        expect(link).to_be_visible(timeout=COMPUTES_WITHIN_MS)
        strike = link.inner_text().split()[-2]
        link.focus()

        page.keyboard.press("Enter")

        expect(page.locator("#chain-title")).to_have_text("RELIANCE")
        expect(page.locator(".strike-row.sought .strike")).to_have_text(strike)
        expect(page.locator(".strike-row.sought .strike")).to_be_focused()
        expect(page.locator(".strike-row.sought")).to_be_in_viewport()
