"""Frames to browsers: how many arrive, how late, and what they cost the web process.

    make bench ARGS=fanout

Starts a simulator (20,000 packets a second), a feed worker with 2,000 instruments and a web process, and opens browser
sockets that acknowledge every frame, all in this process. *Distinct* browsers watch different sets of 200 instruments,
*shared* ones the same set. Prints the frames of those that are due, rows, processor time of the web process in all and
per million rows, and the time from the receipt of a packet to the receipt of its row, of a sample of the rows.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.database import own_database

import numpy as np
import psutil
from django.conf import settings
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from marketdata.streaming.frames import HEADER, WIRE_ROW
from tests.browsers import log_in
from tests.integration.subscriptions.feed.feed_workers import (
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.web_servers import running_web_process

INSTRUMENTS = 2_000  # chosen: the sets of ten distinct browsers do not overlap
WATCHED = 200  # the budget of design: a chain of 101 strikes
WARM_SECONDS, SECONDS = 5.0, 15.0  # chosen: one frame in a thousand is a stable p99 of 200 browsers
CASES: Sequence[tuple[int, int, bool]] = ((20, 4, False), (100, 4, False), (200, 4, False), (200, 4, True))


@dataclass
class Received:
    """What the browsers of one case received since the measurement began."""

    frames: int = 0
    rows: int = 0
    milliseconds: list[float] = field(default_factory=list)


class BrowserSocket(WSListener):
    """One browser: watches a set, acknowledges each frame."""

    def __init__(self, watched: Sequence[int], hz: int, received: Received) -> None:
        super().__init__()
        self._watched, self._hz, self._received = watched, hz, received

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._send(transport, {"type": "rate", "hz": self._hz})
        self._send(transport, {"type": "watch", "id": "all", "instruments": list(self._watched)})

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.BINARY:
            return
        payload = frame.get_payload_as_bytes()
        _, _, count, sequence, server_ms, *_ = HEADER.unpack_from(payload)
        transport.send(WSMsgType.TEXT, b'{"type":"ack","seq":%d}' % sequence)
        self._received.frames += 1
        self._received.rows += count
        if count:
            # One row of each frame is a sample of a few thousand.
            age_ms = np.frombuffer(payload, dtype=WIRE_ROW, offset=HEADER.size, count=1)["age_ms"][0]
            self._received.milliseconds.append(time.time() * 1_000 - server_ms + float(age_ms))

    def _send(self, transport: WSTransport, message: dict[str, object]) -> None:
        transport.send(WSMsgType.TEXT, json.dumps(message).encode())


async def measure(web: str, pid: int, cookie: str, ids: Sequence[int], case: tuple[int, int, bool]) -> None:
    """Open the browsers of one case, measure, print."""
    browsers, hz, is_shared = case
    received, process = Received(), psutil.Process(pid)
    headers = {"Cookie": f"sessionid={cookie}", "Origin": f"http://{web}"}
    async with AsyncExitStack() as stack:
        for number in range(browsers):
            begin = 0 if is_shared else number * WATCHED // 2 % (len(ids) - WATCHED)
            socket = BrowserSocket(ids[begin : begin + WATCHED], hz, received)
            transport, _ = await ws_connect(lambda one=socket: one, f"ws://{web}/ws/market/", extra_headers=headers)
            stack.callback(transport.disconnect)
        await asyncio.sleep(WARM_SECONDS)
        received.frames = received.rows = 0
        received.milliseconds.clear()
        before, began = process.cpu_times(), time.monotonic()
        await asyncio.sleep(SECONDS)
        took, after = time.monotonic() - began, process.cpu_times()
    used = after.user + after.system - before.user - before.system
    p50, p99 = np.percentile(received.milliseconds, [50, 99])
    print(
        f"{browsers:4} x {WATCHED} {'shared' if is_shared else 'distinct':<8} {hz} Hz  "
        f"{received.frames / took:5.0f} of {browsers * hz} frames/s  {received.rows / took:7.0f} rows/s  "
        f"web {used / took:5.1%} of a core, {used / received.rows * 1e6:5.1f} CPU-s per M rows  "
        f"packet to browser {p50:4.0f}, p99 {p99:4.0f} ms",
        flush=True,
    )


async def measure_all(web: str, pid: int, cookie: str, ids: Sequence[int]) -> None:
    """Measure every case on one web process."""
    for case in CASES:
        await measure(web, pid, cookie, ids, case)


def main() -> None:
    """Start the stack and measure."""
    settings.REDIS_PREFIX = "bench-fanout"
    with own_database(), TemporaryDirectory() as folder, running_simulator(rate=20_000, small=False) as simulator:
        directory = Path(folder)
        ids = [one.instrument_id for one in make_subscriptions(simulator, count=INSTRUMENTS)]
        with (
            running_worker(directory, name="feed", simulator=simulator),
            running_web_process(directory, DHAN_REST_URL=simulator.rest_url) as (web, process),
        ):
            wait_until_streaming(INSTRUMENTS)
            asyncio.run(measure_all(web, process.pid, log_in("bench"), ids))
