"""Invalid messages: cut, stacked, with wrong lengths, with unknown codes, or random bytes.

Built as arrays, because a million of them one by one take longer than decoding them. A stream of packets is laid out
with valid headers, some of which are then corrupted, and cut into messages at packet boundaries or a few bytes off.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan.packets import HEADER, LENGTH_OF, PacketCode
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey

CODES: Final = np.array(sorted(LENGTH_OF), dtype=np.int64)
# Full packets are rarer than at the broker: the slow decoder spends most of its time on them.
ODDS: Final = np.array([1, 6, 3, 4, 2, 1, 2, 0.2])
LENGTHS: Final = np.array([LENGTH_OF[PacketCode(code)] for code in CODES], dtype=np.int64)
LTT_OFFSET: Final = {PacketCode.TICKER: 12, PacketCode.INDEX: 12, PacketCode.QUOTE: 14, PacketCode.FULL: 14}
LTT: Final = 1_781_084_997

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


def make_messages(count: int, *, keys: Sequence[InstrumentKey], rng: np.random.Generator) -> list[bytes]:
    """Return `count` messages of about two packets each, most of them of `keys`, many of them broken."""
    packets = 2 * count
    kinds = rng.choice(len(CODES), size=packets, p=ODDS / ODDS.sum())
    lengths = LENGTHS[kinds]
    starts = np.cumsum(lengths) - lengths
    stream = np.frombuffer(rng.bytes(int(lengths.sum())), dtype=np.uint8).copy()
    _write_headers(stream, starts, CODES[kinds], lengths, keys, rng)
    _write_trades(stream, starts, CODES[kinds], rng)
    _spoil(stream, starts, rng)
    return _cut(stream, _choose_cuts(starts, len(stream), count, rng))


def _write_headers(
    stream: Bytes,
    starts: Integers,
    codes: Integers,
    lengths: Integers,
    keys: Sequence[InstrumentKey],
    rng: np.random.Generator,
) -> None:
    chosen = rng.integers(len(keys), size=len(starts))
    segments = np.array([key.segment for key in keys], dtype=np.int64)[chosen]
    ids = np.array([key.security_id for key in keys], dtype=np.int64)[chosen]
    strange = rng.random(len(starts)) < 0.1
    segments[strange] = rng.choice([*ExchangeSegment, 6, 99, 255], size=int(strange.sum()))
    _put(stream, starts, codes, 1)
    _put(stream, starts + 1, lengths, 2)
    _put(stream, starts + 3, segments, 1)
    _put(stream, starts + 4, ids, 4)


def _write_trades(stream: Bytes, starts: Integers, codes: Integers, rng: np.random.Generator) -> None:
    """Give most packets a valid price and time, so that not every packet is rejected."""
    for code, offset in LTT_OFFSET.items():
        at = starts[(codes == code) & (rng.random(len(starts)) < 0.8)]
        prices = rng.uniform(1, 50_000, size=len(at)).astype("<f4").view("<u4").astype(np.int64)
        _put(stream, at + HEADER.size, prices, 4)
        _put(stream, at + offset, LTT + rng.integers(0, 60, size=len(at)), 4)


def _spoil(stream: Bytes, starts: Integers, rng: np.random.Generator) -> None:
    """Corrupt some headers, replace others by random bytes, and set random bytes anywhere."""
    for share, first, size in ((0.03, 0, 1), (0.03, 1, 2), (0.02, 0, HEADER.size)):
        at = starts[rng.random(len(starts)) < share] + first
        _put(stream, at, rng.integers(0, 2**62, size=len(at)), size)
    # Nearly valid lengths reach the edge cases: one too small, one too large, the header's size, and less than that.
    at = starts[rng.random(len(starts)) < 0.03]
    _put(stream, at + 1, stream[at + 1] + rng.choice([-1, 1, -8, 8], size=len(at)), 2)
    anywhere = rng.integers(len(stream), size=len(stream) // 1_000)
    stream[anywhere] = rng.integers(256, size=len(anywhere))


def _choose_cuts(starts: Integers, end: int, count: int, rng: np.random.Generator) -> Integers:
    """Return the ends of messages: mostly between packets, sometimes a few bytes off; some messages are empty."""
    places = np.sort(rng.choice(starts, size=count - 1))
    beside = rng.random(len(places)) < 0.1
    places[beside] += rng.integers(-12, 13, size=int(beside.sum()))
    return np.concatenate(([0], np.sort(np.clip(places, 0, end)), [end]))


def _cut(stream: Bytes, places: Integers) -> list[bytes]:
    data, at = stream.tobytes(), places.tolist()
    return [data[start:end] for start, end in pairwise(at)]


def _put(stream: Bytes, at: Integers, values: npt.NDArray[np.integer], size: int) -> None:
    """Write little-endian integers at offsets of the stream."""
    for byte in range(size):
        stream[at + byte] = (values.astype(np.int64) >> 8 * byte & 0xFF).astype(np.uint8)
