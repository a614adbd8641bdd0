"""The columns of the straddle of each strike."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stack import Stack
from tests.e2e.test_analytics import COMPUTES_WITHIN_MS, UNKNOWN
from tests.e2e.test_terminal import add_reliance
from tests.integration.subscriptions.feed.feed_workers import running_worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

# Each strike whose figures are not the sums of those of its options, as far as the rounding of all three can be seen;
# read at one moment, from what the frames brought.
WRONG_STRIKES = """() => {
  const plain = text => Number(text.replace(/[,+%]/g, '').replace('\\u2212', '-'))
  const number = (row, name) => plain(row.querySelector(name).textContent)
  const spot = plain(document.querySelector('#spot').textContent)
  const near = (one, other, by) => Math.abs(one - other) <= by
  const wrong = []
  for (const row of document.querySelectorAll('.strike-row')) {
    const both = name => number(row, `.call.${name}`) + number(row, `.put.${name}`)
    const strike = number(row, '.strike'), price = number(row, '.pair-price')
    const holds = near(price, both('ltp'), 0.001) && near(number(row, '.pair-change'), both('change'), 0.001)
      && near(number(row, '.pair-lower'), 100 * (strike - price - spot) / spot, 0.006)
      && near(number(row, '.pair-upper'), 100 * (strike + price - spot) / spot, 0.006)
      && ['delta', 'theta', 'vega'].every(name => near(number(row, `.pair-${name}`), both(name), 0.016))
      && near(number(row, '.pair-iv'), both('iv') / 2, 0.101)
    if (!holds) wrong.push(row.innerText.replaceAll('\\n', ' '))
  }
  return wrong
}"""


def test_the_straddle_of_each_strike_is_the_sum_of_its_options_at_any_moment(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    add_reliance(page)
    expect(page.locator(".strike-row")).to_have_count(25)
    expect(page.locator(".pair-price")).to_have_count(0)
    page.locator("#chain").focus()

    with running_worker(tmp_path, name="analytics", simulator=stack.simulator, queue="analytics"):
        for _ in range(3):
            page.keyboard.press("g")
        expect(page.locator("button[data-columns=straddle]")).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".strike-row .call.bid").first).to_be_hidden()
        expect(page.locator(".strike-row .put.ltp").first).to_be_visible()
        page.wait_for_function(
            "dash => ['.pair-price', '.pair-delta', '.pair-iv', '.pair-lower'].every(name =>"
            " [...document.querySelectorAll(`.strike-row ${name}`)].every(x => x.textContent !== dash))",
            arg=UNKNOWN,
            timeout=COMPUTES_WITHIN_MS,
        )

        assert page.evaluate(WRONG_STRIKES) == []
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate(WRONG_STRIKES) == []

    page.keyboard.press("g")
    expect(page.locator(".strike-row .pair-price").first).to_be_hidden()
    expect(page.locator(".strike-row .call.bid").first).to_be_visible()
