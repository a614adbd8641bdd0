"""What an open chain costs the browser, in Chromium, against the same page with the fade that it once had.

    make bench ARGS=screen

Starts the terminal of the browser tests with the analytics worker, opens the chain of NIFTY with 101 strikes at four
frames a second, and reads from the DevTools protocol, for each preset of columns, how long the main thread worked in a
second, and how much of that were scripts. The alternative is the preset with most columns, whose changed prices fill
their cell and fade for 350 ms. Needs a Chromium on the PATH; ends with a message without one.
"""

# ruff: noqa: I001  Importing the database sets Django up.

from collections.abc import Mapping, Sequence

from benchmarks.report import Figure, record
from benchmarks.terminal_page import open_terminal

from playwright.sync_api import CDPSession, Page

from tests.e2e.stack import Stack

SYMBOL = "NIFTY"
PRESETS = ("trade", "greeks", "both")
FRAMES = 4  # RATE_HZ of the terminal page
WARM_SECONDS, SECONDS = 1.5, 20.0  # chosen: 80 frames
SHOWN_WITHIN_MS = 60_000  # chosen: for a busy machine
TASK_BUDGET_MS, SCRIPT_BUDGET_MS = 250.0, 8.0
"""Promised: of the main thread in a second, and of scripts in a frame."""
FADE = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`
        .strike-row .ltp { transition: background-color 350ms ease-out; }
        .strike-row .ltp[data-move] { transition: none; }
        .strike-row .ltp[data-move="up"] { background: var(--up-ground); }
        .strike-row .ltp[data-move="down"] { background: var(--down-ground); }
    `);
    document.adoptedStyleSheets = [sheet];
}"""


def open_chain(page: Page, stack: Stack) -> None:
    """Open the chain, and wait for its prices and analytics."""
    page.goto(f"{stack.url}/#{SYMBOL}")
    live = "() => document.querySelectorAll('.strike-row[data-call=live]').length > 60"
    page.wait_for_function(live, timeout=SHOWN_WITHIN_MS)
    page.wait_for_function("() => document.querySelector('#atm-iv').innerText.length > 1", timeout=SHOWN_WITHIN_MS)


def read_seconds(session: CDPSession) -> Mapping[str, float]:
    """Return the seconds of the main thread since the page began, by kind of work."""
    return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}


def measure(page: Page, session: CDPSession, preset: str) -> tuple[float, float]:
    """Return milliseconds of tasks, and of scripts, in a second with these columns."""
    page.locator(f"button[data-columns={preset}]").click()
    page.wait_for_timeout(WARM_SECONDS * 1_000)
    before = read_seconds(session)
    page.wait_for_timeout(SECONDS * 1_000)
    after = read_seconds(session)
    took = after["Timestamp"] - before["Timestamp"]
    task, script = (1_000 * (after[name] - before[name]) / took for name in ("TaskDuration", "ScriptDuration"))
    return task, script


def record_all(found: Sequence[tuple[float, float]], faded: tuple[float, float]) -> None:
    """Record the figures of each preset."""
    for preset, (task, script) in zip(PRESETS, found, strict=True):
        is_widest = preset == PRESETS[-1]
        record(
            Figure(
                "screen",
                f"101 strikes, columns {preset}: main thread in a second",
                task,
                "ms",
                budget=TASK_BUDGET_MS,
                alternative="fill and fade" if is_widest else "",
                alternative_value=faded[0] if is_widest else None,
            )
        )
        record(
            Figure(
                "screen",
                f"101 strikes, columns {preset}: scripts in a frame",
                script / FRAMES,
                "ms",
                budget=SCRIPT_BUDGET_MS,
            )
        )


def main() -> None:
    """Measure and record."""
    with open_terminal("bench_screen") as (page, stack):
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        open_chain(page, stack)
        found = [measure(page, session, preset) for preset in PRESETS]
        page.evaluate(FADE)
        faded = measure(page, session, PRESETS[-1])
    record_all(found, faded)
