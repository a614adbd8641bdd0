"""From the exchange's packet to the painted cell, in Chromium, against a page that reads the chain by REST.

    make bench ARGS=tick_to_cell
    make bench ARGS="tick_to_cell --rate 20000"

Starts the terminal of the browser tests with 2,000 live options of NIFTY, and a relay between simulator and feed worker
that notes when each packet passed: the exchange's own stamp has whole seconds. A volume names its packet, because each
trade raises it. The page shows the chain of 202 legs and notes, after each animation frame, the volumes it has painted
(`painted_cells.js`). The alternative is a page that reads the same chain by REST as often as the terminal asks for
frames, one request at a time. Needs a Chromium on the PATH; ends with a message without one.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import argparse
import asyncio
import json
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.database import own_database
from benchmarks.chaos.relay import running_relay
from benchmarks.chaos.wire import Key, Link, WireRecord
from benchmarks.pages import new_page
from benchmarks.report import Figure, record

from django.conf import settings
from playwright.sync_api import Page, WebSocket, sync_playwright

from devstack.ports import choose_port
from marketdata.dhan import packets
from marketdata.dhan.packets import HEADER, PacketCode
from marketdata.models import Instrument
from subscriptions.domain.claims import Tier
from subscriptions.models import Subscription
from tests.e2e.chromium import FLAGS, find_chromium
from tests.e2e.stack import Stack, running_stack
from tests.factories import NOW
from tests.integration.subscriptions.feed.feed_workers import wait_until_streaming
from tests.simulators import SimulatorAddress
from tests.waiting import wait_until, wait_until_async

RATES = (2_000, 20_000)
LIVE = 2_000  # chosen: ten of them tick for each leg of the chain
CONNECTIONS = 5
SYMBOL = "NIFTY"
REQUESTED_HZ = 4  # RATE_HZ of the terminal page
WARM_SECONDS, SECONDS = 5.0, 20.0  # chosen: 80 painted frames of some hundred cells
SHOWN_WITHIN_MS = 60_000  # chosen: for a busy machine
# Chosen: two intervals, of flush (100 ms) and frames (250 ms), at p99, and half of them at p50, with room for the rest.
BUDGETS_MS = {50: 250.0, 99: 500.0}
LEAST_SHARE = 0.9  # chosen: of the requested frames a second
SCRIPT = Path(__file__).with_name("painted_cells.js")
VOLUME, VOLUME_AT = struct.Struct("<I"), struct.calcsize("<BHBIfHIf")  # of FULL: after the average price


class PassedVolumes(WireRecord):
    """When each volume of an instrument passed the relay for the first time, in Unix seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: dict[Key, dict[int, float]] = {}

    def receive(self, link: Link, message: bytes, at: float) -> None:  # noqa: ARG002  The times are those of any socket.
        """Note the volumes of a message of the broker."""
        for packet in packets.split(message):
            code, _, segment, security_id = HEADER.unpack_from(packet)
            if code == PacketCode.FULL:
                self.passed.setdefault((segment, security_id), {}).setdefault(
                    VOLUME.unpack_from(packet, VOLUME_AT)[0], at
                )


@contextmanager
def relay_of(wire: WireRecord, simulator: SimulatorAddress) -> Iterator[SimulatorAddress]:
    """Run a relay to the simulator in a thread of its own; yield the address of both."""
    port, target = choose_port(), int(simulator.feed_url.rpartition(":")[2])
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with running_relay(wire, port=port, target_port=target):
            await ended.wait()
            # The feed worker has ended: the relay passes that on to the simulator.
            await wait_until_async(lambda: not wire.open_links(), message="the broker's sockets are closed")

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        yield replace(simulator, feed_url=f"ws://127.0.0.1:{port}")
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


@dataclass(frozen=True, slots=True)
class Painted:
    """What a page painted: milliseconds from packet to cell, sorted, and frames a second."""

    milliseconds: Sequence[float]
    frames: float

    def percentile(self, share: int) -> float:
        return self.milliseconds[round(share / 100 * (len(self.milliseconds) - 1))]


def make_live() -> Mapping[int, Key]:
    """Subscribe LIVE options, and return the broker's key of every option of SYMBOL."""
    options = Instrument.objects.filter(underlying_symbol=SYMBOL, strike__isnull=False).order_by("expiry", "strike")
    keys = {one.pk: (int(one.exchange_segment), one.security_id) for one in options}
    Subscription.objects.bulk_create(
        [
            Subscription(instrument_id=one, connection_id=1 + number % CONNECTIONS, tier=Tier.A, mode="full", since=NOW)
            for number, one in enumerate(list(keys)[:LIVE])
        ]
    )
    wait_until_streaming(min(LIVE, len(keys)))
    return keys


def open_chain(page: Page, stack: Stack) -> Sequence[Any]:
    """Open the terminal on the chain of SYMBOL; return the strikes of its ladder once most legs are live."""
    chains: list[Sequence[Any]] = []

    def note(payload: str | bytes) -> None:
        if isinstance(payload, str) and (message := json.loads(payload))["type"] == "chain":
            chains.append(message["strikes"])

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", note)

    page.on("websocket", listen)
    page.goto(f"{stack.url}/#{SYMBOL}")
    live = "() => document.querySelectorAll('.strike-row[data-call=live]').length > 50"
    page.wait_for_function(live, timeout=SHOWN_WITHIN_MS)
    # Playwright reports messages of the socket only during a call.
    wait_until(lambda: page.title() != "" and chains != [], message="the chain was received")
    return chains[-1]


def read_painted(page: Page, wire: PassedVolumes, keys: Mapping[int, Key]) -> Painted:
    """Let the page paint, and match its cells with the packets."""
    page.wait_for_timeout(WARM_SECONDS * 1_000)
    page.evaluate("() => { painted.length = 0; paints.length = 0; }")
    began = time.monotonic()
    page.wait_for_timeout(SECONDS * 1_000)
    painted, paints = page.evaluate("() => [painted, paints]")
    took = time.monotonic() - began
    passed = [(wire.passed.get(keys.get(one, (0, 0)), {}).get(volume), at_ms) for one, volume, at_ms in painted]
    milliseconds = sorted(at_ms - at * 1_000 for at, at_ms in passed if at is not None)
    assert milliseconds, f"none of {len(painted)} painted cells has its packet"
    print(f"{len(milliseconds)} of {len(painted)} painted cells matched with their packet", flush=True)
    return Painted(milliseconds, len(paints) / took)


def measure_terminal(page: Page, stack: Stack, wire: PassedVolumes, keys: Mapping[int, Key]) -> Painted:
    """Measure the page of the product."""
    strikes = open_chain(page, stack)
    page.evaluate(SCRIPT.read_text())
    page.evaluate("strikes => recordLadder(strikes)", strikes)
    return read_painted(page, wire, keys)


def measure_polling(page: Page, stack: Stack, wire: PassedVolumes, keys: Mapping[int, Key]) -> Painted:
    """Measure the page that reads the chain by REST."""
    page.goto(f"{stack.url}/api/v2/option-chain/{SYMBOL}?format=json")
    page.evaluate(SCRIPT.read_text())
    options = {"path": f"/api/v2/option-chain/{SYMBOL}", "everyMs": 1_000 / REQUESTED_HZ}
    page.evaluate("options => pollChain(options)", options)
    return read_painted(page, wire, keys)


def record_both(rate: int, ours: Painted, others: Painted) -> None:
    """Record the figures of one rate."""
    for share, budget in BUDGETS_MS.items():
        record(
            Figure(
                "tick_to_cell",
                f"{rate:,} packets/s: packet to painted cell, p{share}",
                ours.percentile(share),
                "ms",
                budget=budget,
                alternative="REST polling",
                alternative_value=others.percentile(share),
            )
        )
    record(
        Figure(
            "tick_to_cell",
            f"{rate:,} packets/s: painted frames of {REQUESTED_HZ}",
            ours.frames,
            "/s",
            budget=LEAST_SHARE * REQUESTED_HZ,
            is_minimum=True,
            alternative="REST polling",
            alternative_value=others.frames,
        )
    )


def measure(chromium: str, rate: int) -> None:
    """Measure both pages at one rate, on a stack of its own."""
    wire, found = PassedVolumes(), []
    act: Callable[[Page, Stack, PassedVolumes, Mapping[int, Key]], Painted]
    with (
        TemporaryDirectory() as folder,
        own_database(),
        running_stack(Path(folder), rate=rate, relay=lambda simulator: relay_of(wire, simulator)) as stack,
    ):
        keys = make_live()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            for act in (measure_terminal, measure_polling):
                with new_page(browser, stack) as page:
                    found.append(act(page, stack, wire, keys))
            browser.close()
    record_both(rate, *found)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--rate", type=int, nargs="+", default=list(RATES), metavar="N", help="packets a second")


def main(given: argparse.Namespace) -> None:
    """Measure and record."""
    chromium = find_chromium()
    if chromium is None:
        print("bench_tick_to_cell: no Chromium on the PATH")
        return
    # Playwright leaves its event loop running in this thread, which uses the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    settings.REDIS_PREFIX = "bench-tick-to-cell"
    for rate in given.rate:
        measure(chromium, rate)
