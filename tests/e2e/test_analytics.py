"""Volatilities and Greeks on the page of a trader."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.stack import Stack
from tests.e2e.test_terminal import add_reliance
from tests.integration.subscriptions.feed.feed_workers import running_worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.timeout(240)]

COMPUTES_WITHIN_MS = 30_000  # the start of a worker on a busy machine
UNKNOWN_WITHIN_MS = 5_000  # the promised three seconds, and a frame a second
UNKNOWN = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
NUMBER = re.compile(r"^\d+\.\d$")


def count_known(page: Page, column: str) -> int:
    texts: list[str] = page.locator(f".strike-row .{column}").all_inner_texts()
    return sum(text != UNKNOWN for text in texts)


def test_a_chain_shows_volatilities_and_greeks_until_their_worker_stops(
    page: Page, stack: Stack, tmp_path: Path
) -> None:
    add_reliance(page)
    expect(page.locator(".strike-row")).to_have_count(25)
    expect(page.locator("#atm-iv")).to_have_text(UNKNOWN)
    page.locator("button[data-columns=greeks]").click()
    expect(page.locator(".strike-row .oi").first).to_be_hidden()
    expect(page.locator(".strike-row .iv").first).to_have_text(UNKNOWN)

    with running_worker(tmp_path, name="analytics", simulator=stack.simulator, queue="analytics") as worker:
        expect(page.locator("#atm-iv")).to_have_text(NUMBER, timeout=COMPUTES_WITHIN_MS)
        page.wait_for_function(
            "dash => [...document.querySelectorAll('.strike-row .iv')].filter(x => x.innerText !== dash).length > 40",
            arg=UNKNOWN,
            timeout=COMPUTES_WITHIN_MS,
        )
        expect(page.locator("#straddle")).to_have_text(re.compile(r"^[\d,]+\.\d\d ±\d+\.\d\d%$"))
        money = page.locator(".strike-row.atm")
        expect(money.locator(".call.delta")).to_have_text(re.compile(r"^0\.[3-7]\d$"))
        expect(money.locator(".put.delta")).to_have_text(re.compile(rf"^{MINUS}0\.[3-7]\d$"))
        expect(money.locator(".call.theta")).to_have_text(re.compile(rf"^{MINUS}\d"))
        # Both options of a strike have one volatility; read at one moment, since it changes once a second.
        assert page.evaluate(
            "() => ['call', 'put'].map(side => document.querySelector(`.strike-row.atm .${side}.iv`).innerText)"
            ".every((text, _, both) => text === both[0])"
        )
        worker.kill()

    expect(page.locator("#atm-iv")).to_have_text(UNKNOWN, timeout=UNKNOWN_WITHIN_MS)
    assert count_known(page, "iv") == 0
    # Prices go on.
    assert page.locator(".strike-row[data-call=live]").count() > 0
    page.locator("button[data-columns=trade]").click()
    expect(page.locator(".strike-row .oi").first).to_be_visible()
