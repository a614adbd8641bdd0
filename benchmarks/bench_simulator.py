"""CPU time of the simulator: five connections of 5,000 in full mode, at a usual rate and at its highest one.

Promise: well under one core, so that a benchmark of the terminal does not measure the simulator. For each rate it
starts a simulator with the demo listing.
"""

import asyncio
import json
import random
import time
from itertools import islice

import httpx
import psutil
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.bench_quote_table import full
from benchmarks.report import Figure, record
from marketdata.dhan import packets
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from tests.simulators import SimulatorAddress, running_simulator

RATES = (20_000, 100_000)  # of the other benchmarks, and the highest (simulator/__main__.py)
# The full capacity of an account (dhan/requests.py).
CONNECTIONS = 5
INSTRUMENTS = 5_000
BATCH = 100
SETTLE_SECONDS = 3.0  # chosen: all snapshots after the subscribes have been sent
BUDGET_PERCENT = 50.0  # chosen: well under a core
MEASURE_SECONDS = 10.0  # chosen: 200,000 packets and more
ENCODED = 20_000  # chosen: packets of the alternative, a second of work
LEAST_SHARE_RECEIVED = 0.98  # chosen: at four updates a second for every row, each late turn is lost


class Counter(WSListener):
    """Counts messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002  # picows names it.
        self.messages += frame.msg_type == WSMsgType.BINARY


def cpu_seconds(process: psutil.Process) -> float:
    """Return user and system time of a process."""
    times = process.cpu_times()
    return times.user + times.system


async def subscribe(simulator: SimulatorAddress, ids: list[str]) -> tuple[WSTransport, Counter]:
    """Open one connection and subscribe `ids` in full mode."""
    query = f"version=2&token={simulator.access_token}&clientId={simulator.client_id}&authType=2"
    transport, counter = await ws_connect(Counter, f"{simulator.feed_url}/?{query}")
    remaining = iter(ids)
    while batch := list(islice(remaining, BATCH)):
        listed = [{"ExchangeSegment": "NSE_FNO", "SecurityId": one} for one in batch]
        message = {"RequestCode": 21, "InstrumentCount": len(listed), "InstrumentList": listed}
        transport.send(WSMsgType.TEXT, json.dumps(message))
    assert isinstance(counter, Counter)
    return transport, counter


def read_ids(simulator: SimulatorAddress) -> list[str]:
    """Return ids of NSE derivatives, as many as one account may subscribe."""
    rows = httpx.get(simulator.instruments_url, trust_env=False).text.split("\n")
    return [row.split(",", 3)[2] for row in rows if row.startswith("NSE,D,")][: CONNECTIONS * INSTRUMENTS]


async def measure(simulator: SimulatorAddress, ids: list[str]) -> tuple[float, float]:
    """Return the messages received a second, and the share of a core that the simulator used."""
    clients = [await subscribe(simulator, ids[start::CONNECTIONS]) for start in range(CONNECTIONS)]
    await asyncio.sleep(SETTLE_SECONDS)
    process = psutil.Process(simulator.process_id)
    began, used = time.monotonic(), cpu_seconds(process)
    received = sum(counter.messages for _, counter in clients)
    await asyncio.sleep(MEASURE_SECONDS)
    elapsed = time.monotonic() - began
    received = sum(counter.messages for _, counter in clients) - received
    share = (cpu_seconds(process) - used) / elapsed
    for transport, _ in clients:
        transport.disconnect()
    return received / elapsed, share


def encode_one_by_one(ids: list[str]) -> float:
    """Return the CPU-seconds of a packet if each is encoded alone, with the reference encoder; prices not included."""
    keys = [InstrumentKey(ExchangeSegment.NSE_FNO, int(one)) for one in ids]
    draw = random.Random(7)
    began = time.process_time()
    for number in range(ENCODED):
        packets.encode(full(keys[number % len(keys)], draw))
    return (time.process_time() - began) / ENCODED


def main() -> None:
    """Measure every rate and record it."""
    for rate in RATES:
        with running_simulator(rate=rate, small=False, faults={}) as simulator:
            ids = read_ids(simulator)
            received, share = asyncio.run(measure(simulator, ids))
        name = f"{rate:,} packets/s on {len(ids):,}"
        record(
            Figure(
                "simulator",
                f"{name}: received",
                received,
                "packets/s",
                budget=LEAST_SHARE_RECEIVED * rate,
                is_minimum=True,
            )
        )
        record(
            Figure(
                "simulator",
                f"{name}: share of a core",
                100 * share,
                "%",
                budget=BUDGET_PERCENT,
                alternative="reference encoder alone",
                alternative_value=100 * rate * encode_one_by_one(ids),
            )
        )
        record(Figure("simulator", f"{name}: of a CPU-second", received / share, "packets", is_minimum=True))


if __name__ == "__main__":
    main()
