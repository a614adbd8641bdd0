"""Starts the pages of `screen.js` and keeps what they show."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.chaos.checks import Screen, ShownRow
from benchmarks.chaos.wire import Price
from devstack.node import find_node

SCRIPT: Final = Path(__file__).with_name("screen.js")
LINE_BYTES: Final = 1 << 24  # chosen: far above a snapshot of 2,000 rows


def apply_report(screen: Screen, report: Mapping[str, Any]) -> None:
    """Apply one line of a page to its screen."""
    if "ended" in report:
        screen.ended = f"the server closed the socket for good, code {report['ended']}"
    screen.heard_at = report["at"] / 1_000
    screen.tone = report.get("tone", screen.tone)
    screen.label, screen.detail = report.get("label", screen.label), report.get("detail", screen.detail)
    if "required" in report:
        screen.required = frozenset(report["required"])
    for instrument_id, state, *rest in report.get("rows", ()):
        if not rest or rest[1] is None:
            screen.rows.pop(instrument_id, None)
            continue
        is_seeded, ltp, bid, ask, volume, oi, connection = rest
        before = screen.rows.get(instrument_id)
        price = Price(ltp, bid, ask, volume, oi)
        since = screen.heard_at if before is None or before.state != state else before.since
        is_other = before is None or (before.is_seeded, before.price) != (is_seeded, price)
        changed_at = screen.heard_at if before is None or is_other else before.changed_at
        screen.rows[instrument_id] = ShownRow(state, is_seeded, price, since, changed_at, connection)


@asynccontextmanager
async def running_screen(
    name: str, *, web: str, cookie: str, watches: Mapping[str, object], log: Path
) -> AsyncIterator[Screen]:
    """Yield the screen of a page at `web` (http URL) in the login session of `cookie`."""
    node = find_node()
    if node is None:
        raise RuntimeError("No Node found, neither on the PATH nor from PyPI: pages cannot be shown.")
    address = f"{web.replace('http', 'ws', 1)}/ws/market/"
    # The flag is needed before Node 22 and permitted after.
    flags = ["--experimental-websocket", "--no-warnings"]
    command = [str(node.node), *flags, str(SCRIPT), address, f"sessionid={cookie}", web]
    screen = Screen(name)
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, json.dumps(watches), stdout=asyncio.subprocess.PIPE, stderr=errors, limit=LINE_BYTES
        )
    reading = asyncio.create_task(_read(process, screen))
    try:
        yield screen
    finally:
        reading.cancel()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _read(process: asyncio.subprocess.Process, screen: Screen) -> None:
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            apply_report(screen, json.loads(line))
    finally:
        screen.ended = screen.ended or "its program has ended"
