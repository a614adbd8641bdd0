"""What a trader waits for in the browser, and what an open chain leaves behind there, in Chromium.

    make bench ARGS=browsing

Starts the terminal of the browser tests with the analytics worker. Measures from outside: keystrokes of the search
until their hits are painted; clicks on an index until its chain is painted with the broker's prices, and until its
first option is live; and, of the chain of NIFTY with 101 strikes and the columns Both at four frames a second, the
longest task of the main thread, the growth of the heap after a garbage collection, and the bytes of the socket.
HEAP_SECONDS says how long the chain stays open. Needs a Chromium on the PATH; ends with a message without one.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import os
import statistics

from benchmarks.report import Figure, record
from benchmarks.terminal_page import open_terminal

from playwright.sync_api import CDPSession, Page

from benchmarks.bench_screen import open_chain
from tests.e2e.stack import Stack, expect_live_feed

QUERIES = ("reliance", "nifty 26000", "banknif", "india vix")  # chosen: a share, a contract, a part, an index
KEY_GAP_MS = 250.0  # chosen: a trader who reads the hits; each keystroke has an answer before the next
OPENINGS = 11  # chosen: the median of eleven is stable
HEAP_SECONDS = float(os.environ.get("HEAP_SECONDS", "120"))
WARM_MS = 10_000.0  # chosen: caches of the page have their size
SHOWN_WITHIN_MS = 60_000  # chosen: for a busy machine
HITS_MS, PAINTED_MS, LIVE_MS, TASK_MS, SOCKET_KB = 150.0, 200.0, 500.0, 200.0, 25.0
"""Promised: medians of the waits, the longest task, kilobytes of the socket in a second."""

WATCH_HITS = """() => {
    window.waits = [];
    let pressedAt = null;
    const panel = document.getElementById("search-panel");
    document.getElementById("search").addEventListener("input", (event) => { pressedAt = event.timeStamp; });
    new MutationObserver(() => {
        if (pressedAt !== null && panel.querySelector("[role=option]") !== null) {
            const began = pressedAt;
            pressedAt = null;
            requestAnimationFrame(() => setTimeout(() => window.waits.push(performance.now() - began)));
        }
    }).observe(panel, { childList: true, subtree: true });
}"""
CLICK_AND_WAIT = """(symbol) => new Promise((resolve) => {
    const chip = [...document.querySelectorAll("#shortcuts button")].find((one) => one.textContent === symbol);
    const began = performance.now();
    let painted = null;
    const look = () => {
        const prices = [...document.querySelectorAll(".strike-row .ltp")];
        const known = prices.filter((one) => /[0-9]/.test(one.textContent)).length;
        painted ??= prices.length > 0 && known > prices.length / 2 ? performance.now() - began : null;
        const isLive = document.querySelector(".strike-row:is([data-call=live], [data-put=live])") !== null;
        if (painted !== null && isLive) {
            resolve([painted, performance.now() - began]);
        } else {
            requestAnimationFrame(look);
        }
    };
    chip.click();
    look();
})"""
WATCH_TASKS = """() => {
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) { window.longest = Math.max(window.longest, entry.duration); }
    }).observe({ type: "longtask" });
}"""


def measure_keystrokes(page: Page, stack: Stack) -> list[float]:
    """Return milliseconds from each keystroke to the painted hits."""
    page.goto(stack.url)
    expect_live_feed(page)
    page.evaluate(WATCH_HITS)
    for query in QUERIES:
        page.locator("#search").fill("")
        page.locator("#search").press_sequentially(query, delay=KEY_GAP_MS)
    waits: list[float] = page.evaluate("window.waits")
    return waits


def measure_openings(page: Page, stack: Stack) -> tuple[list[float], list[float]]:
    """Return milliseconds from a click to the painted chain, and to its first live option; nothing streams before."""
    painted, live = [], []
    for _ in range(OPENINGS):
        page.goto("about:blank")
        stack.reset()
        page.goto(stack.url)
        expect_live_feed(page)
        waits = page.evaluate(CLICK_AND_WAIT, "NIFTY")
        painted.append(waits[0])
        live.append(waits[1])
    return painted, live


def measure_open_chain(page: Page, stack: Stack) -> tuple[float, float, float]:
    """Return the longest task in ms, the growth of the heap in MB, and kB a second of the socket."""
    received = 0

    def count(frame: dict[str, dict[str, str]]) -> None:
        nonlocal received
        # The protocol has binary payloads as base64.
        received += len(frame["response"]["payloadData"]) * 3 // 4

    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("HeapProfiler.enable")
    session.on("Network.webSocketFrameReceived", count)
    open_chain(page, stack)
    page.locator("button[data-columns=both]").click()
    page.wait_for_timeout(WARM_MS)
    page.evaluate(WATCH_TASKS)
    before, received = read_heap_mb(page, session), 0
    page.wait_for_timeout(HEAP_SECONDS * 1_000)
    kilobytes = received / 1_000 / HEAP_SECONDS
    longest: float = page.evaluate("window.longest")
    return longest, read_heap_mb(page, session) - before, kilobytes


def read_heap_mb(page: Page, session: CDPSession) -> float:
    """Collect garbage and return the megabytes that scripts hold."""
    session.send("HeapProfiler.collectGarbage")
    used: float = page.evaluate("performance.memory.usedJSHeapSize")
    return used / 1_000_000


def main() -> None:
    """Measure and record."""
    # Without the flag the heap is rounded, to keep pages from being told apart.
    with open_terminal("bench_browsing", "--enable-precise-memory-info") as (page, stack):
        keystrokes = measure_keystrokes(page, stack)
        painted, live = measure_openings(page, stack)
        longest, grown, kilobytes = measure_open_chain(page, stack)
    chain = f"101 strikes, {HEAP_SECONDS:.0f} s"
    for what, value, unit, budget in (
        (f"keystroke to painted hits, p50 of {len(keystrokes)}", statistics.median(keystrokes), "ms", HITS_MS),
        ("click to painted chain, p50", statistics.median(painted), "ms", PAINTED_MS),
        ("click to first live option, p50", statistics.median(live), "ms", LIVE_MS),
        (f"{chain}: longest task", longest, "ms", TASK_MS),
        (f"{chain}: growth of the heap", grown, "MB", None),
        (f"{chain}: socket in a second", kilobytes, "kB", SOCKET_KB),
    ):
        record(Figure("browsing", what, value, unit, budget=budget))
