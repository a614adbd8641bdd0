"""The charts below the chain."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.stack import Stack
from tests.e2e.test_analytics import COMPUTES_WITHIN_MS, UNKNOWN
from tests.e2e.test_terminal import add_reliance
from tests.integration.subscriptions.feed.feed_workers import running_worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

# Both are read at one moment: a chart follows its chain after a second at most.
SAME_AS_CHAIN = """name => {
  const cells = (column, side) => [...document.querySelectorAll(`.strike-row .${side}.${column}`)].map(x => x.innerText)
  const column = at => [...document.querySelectorAll(`#chart-table tbody tr`)].map(row => row.children[at].innerText)
  const equal = (one, other) => one.length === 25 && one.join() === other.join()
  return name === 'iv' ? equal(column(1), cells('iv', 'call'))
    : equal(column(1), cells('oi', 'call')) && equal(column(3), cells('oi', 'put'))
}"""


def test_the_charts_of_a_chain_open_by_their_key_and_have_the_values_of_its_cells(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    add_reliance(page)
    expect(page.locator(".strike-row")).to_have_count(25)
    expect(page.locator("#charts")).to_be_hidden()

    with running_worker(tmp_path, name="analytics", simulator=stack.simulator, queue="analytics"):
        page.keyboard.press("Escape")
        page.locator("#chain").focus()
        assert not any("chart_panel" in one or "lightweight-charts" in one for one in loaded)
        page.keyboard.press("c")
        expect(page.locator("#chart-canvas canvas").first).to_be_visible()
        page.locator("#chart-as-table").click()
        page.wait_for_function(SAME_AS_CHAIN, arg="oi")

        page.locator("[data-chart=smile]").click()
        page.wait_for_function(
            "dash => [...document.querySelectorAll('#chart-table td')].some(x => x.innerText !== dash)",
            arg=UNKNOWN,
            timeout=COMPUTES_WITHIN_MS,
        )
        # The table has the volatility of a strike, the chain that of its call: they are the same one.
        page.wait_for_function(SAME_AS_CHAIN, arg="iv")
        page.locator("#chart-as-table").click()
        expect(page.locator("#chart-canvas canvas").first).to_be_visible()

        page.locator("[data-chart=underlying]").click()
        page.locator("#chart-as-table").click()
        # The broker's candles of the minutes before, and the last one goes on with the live price.
        page.wait_for_function(
            "() => document.querySelectorAll('#chart-table tbody tr').length > 1 &&"
            " document.querySelector('#chart-table tbody tr').lastChild.innerText ==="
            " document.querySelector('#spot').innerText"
        )
        page.locator("#chart-as-table").click()
        page.locator("[data-chart=smile]").click()

        page.reload()
        expect(page.locator("[data-chart=smile]")).to_have_attribute("aria-pressed", "true")
        page.locator("#charts-close").click()
        expect(page.locator("#charts")).to_be_hidden()
        expect(page.locator("#chart-canvas canvas")).to_have_count(0)
    # The policy of the page forbids what the library would do for its logo.
    assert refused == []


def test_the_straddle_of_the_day_goes_on_with_that_of_the_chain_and_ends_with_its_worker(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    add_reliance(page)
    page.locator("#charts-open").click()
    page.locator("[data-chart=straddle]").click()

    with running_worker(tmp_path, name="analytics", simulator=stack.simulator, queue="analytics") as worker:
        expect(page.locator("#chart-canvas canvas").first).to_be_visible(timeout=COMPUTES_WITHIN_MS)
        page.locator("#chart-as-table").click()
        # Read at one moment: a chart follows its chain after a second at most.
        page.wait_for_function(
            "() => document.querySelector('#chart-table tbody tr')?.children[1].innerText"
            " === document.querySelector('#straddle').innerText.split(' ')[0]"
        )
        count = page.locator("#chart-table tbody tr").count()
        worker.kill()

    expect(page.locator("#straddle")).to_have_text(UNKNOWN)
    # The points of the day stay, and the time without a worker gets none.
    assert page.locator("#chart-table tbody tr").count() in {count, count + 1}

    page.set_viewport_size({"width": 360, "height": 740})
    cut = page.evaluate(
        "() => [...document.querySelectorAll('#chart-tabs button')].map(x => x.getBoundingClientRect())"
        ".filter(x => x.left < 0 || x.right > innerWidth).length"
    )
    assert cut == 0


def test_a_chart_without_values_shows_a_sentence_and_not_the_chart_before(page: Page, stack: Stack) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/intraday*", hold)
    add_reliance(page)
    page.locator("#charts-open").click()
    page.locator("[data-chart=oi]").click()
    expect(page.locator("#chart-canvas canvas").first).to_be_visible()

    page.locator("[data-chart=underlying]").click()

    expect(page.locator("#chart-sentence")).to_have_text("Loading …")
    expect(page.locator("#chart-canvas canvas")).to_have_count(0)

    held[0].continue_()

    expect(page.locator("#chart-canvas canvas").first).to_be_visible()
    expect(page.locator("#chart-sentence")).to_be_hidden()
