"""From bytes to rows: the quote table against the reference decoder, on the same stream.

5,000 instruments of one connection, batches of 2,000 packets: a burst of 20,000 packets/s at a flush of 100 ms. The
reference decoder splits, decodes and applies one packet at a time. Packets per CPU-second, medians of several rounds.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.report import Figure, record
from marketdata.dhan import packets
from marketdata.dhan.packets import DisconnectPacket, MarketStatus
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import DepthLevel, FullTick, OiTick, Quote, QuoteTick, Tick, TickerTick, updated

INSTRUMENTS = 5_000  # of one connection (dhan/requests.py)
PACKETS = 20_000  # one second of a burst
BATCH = 2_000  # of one flush, FLUSH_MS=100
ROUNDS = 7  # chosen: the median of seven is stable
KEYS = [InstrumentKey(ExchangeSegment.NSE_FNO, 35_000 + 7 * number) for number in range(INSTRUMENTS)]

Stream = Sequence[bytes]


def full(key: InstrumentKey, draw: random.Random) -> Tick:
    level = DepthLevel(65, 130, 1, 2, 100.0, 100.5)
    price = draw.random() * 100
    return FullTick(key, price, 65, 1, price, 1, 2, 3, 4, 5, 6, 1.0, 2.0, 3.0, 4.0, (level, level, level, level, level))


def ticker(key: InstrumentKey, draw: random.Random) -> Tick:
    return TickerTick(key, draw.random() * 100, 1)


def quote(key: InstrumentKey, draw: random.Random) -> Tick:
    return QuoteTick(key, draw.random(), 1, 1, 3.0, 4, 5, 6, 7.0, 8.0, 9.0, 10.0)


def mixed(key: InstrumentKey, draw: random.Random) -> Tick:
    kind = draw.random()
    if kind < 0.4:
        return ticker(key, draw)
    if kind < 0.7:
        return quote(key, draw)
    return full(key, draw) if kind < 0.9 else OiTick(key, 5)


def make_stream(make: Callable[[InstrumentKey, random.Random], Tick], *, stacked: int) -> Stream:
    draw = random.Random(7)
    encoded = [packets.encode(make(draw.choice(KEYS), draw)) for _ in range(PACKETS)]
    return [b"".join(encoded[start : start + stacked]) for start in range(0, PACKETS, stacked)]


def read_fast(table: QuoteTable, stream: Stream) -> None:
    per_batch = max(1, BATCH * len(stream) // PACKETS)
    for start in range(0, len(stream), per_batch):
        for message in stream[start : start + per_batch]:
            table.append(message)
        table.absorb(received_at_ms=start)
        table.take_changes()


def read_readable(stream: Stream) -> None:
    quotes = {key: Quote(key) for key in KEYS}
    for message in stream:
        for packet in packets.split(message):
            tick = packets.decode(packet)
            if not isinstance(tick, MarketStatus | DisconnectPacket):
                quotes[tick.key] = updated(quotes[tick.key], tick)


def new_table() -> QuoteTable:
    table = QuoteTable()
    table.add({key: number for number, key in enumerate(KEYS)})
    return table


def seconds(read: Callable[[Stream], None], stream: Stream) -> float:
    # CPU time: other processes of the machine do not change it.
    start = time.process_time()
    read(stream)
    return time.process_time() - start


def main() -> None:
    # The budgets are for an idle machine; None: no budget is set.
    cases = [
        ("full", full, 1, None),
        ("full, 50 stacked", full, 50, 5e6),
        ("quote", quote, 1, None),
        ("quote, 50 stacked", quote, 50, 10e6),
        ("ticker", ticker, 1, None),
        ("mixed", mixed, 1, None),
        ("mixed, 20 stacked", mixed, 20, None),
    ]
    for name, make, stacked, budget in cases:
        stream = make_stream(make, stacked=stacked)
        # Alternating, so that both see the same clock frequency and caches.
        pairs = [
            (seconds(read_readable, stream), seconds(partial(read_fast, new_table()), stream)) for _ in range(ROUNDS)
        ]
        slow, fast = (statistics.median(side) for side in zip(*pairs, strict=True))
        record(
            Figure(
                "quote_table",
                f"decode and apply: {name}",
                PACKETS / fast,
                "packets/s",
                budget=budget,
                is_minimum=True,
                alternative="reference decoder",
                alternative_value=PACKETS / slow,
            )
        )


if __name__ == "__main__":
    main()
