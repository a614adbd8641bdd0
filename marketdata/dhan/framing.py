"""Where packets start in the messages of a socket: whole arrays at a time, not packet by packet.

The definition is `packets.split`; property tests compare both. Damaged and unknown packets are counted, never returned.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.dhan.counters import Counters
from marketdata.dhan.packets import HEADER, LENGTH_OF, PacketCode
from marketdata.dhan.row_writer import sliding

_Integers = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]

# No packet is that long, so a message without a header is not taken for a single packet.
_NO_LENGTH: Final = -1


def by_code(values: Mapping[PacketCode, int]) -> _Integers:
    """Return the values as an array that a packet code indexes; 0 for all other codes."""
    table = np.zeros(256, dtype=np.int64)  # A code is one byte.
    for code, value in values.items():
        table[code] = value
    return table


_LENGTH_BY_CODE: Final = by_code(LENGTH_OF)


def headers_at(buffer: bytes, offsets: _Integers) -> _Words:
    """Return the packet headers at `offsets` as numbers.

    A header has eight bytes, little-endian: the code is in bits 0 to 7, the length in 8 to 23, the segment in 24 to 31,
    the security id above.
    """
    if not len(offsets):
        return np.empty(0, dtype=np.uint64)
    headers: _Words = sliding(buffer, "<u8", 0)[offsets]
    return headers


def find_packets(messages: Sequence[bytes], buffer: bytes, counters: Counters) -> _Integers:
    """Return where whole, known packets start in `buffer`, the joined `messages`; count the rest.

    In order of arrival.
    """
    # 1. Where each message starts in the joined buffer.
    sizes = np.fromiter(map(len, messages), dtype=np.int64, count=len(messages))
    starts = np.cumsum(sizes) - sizes
    # 2. The first header of every message.
    is_long = sizes >= HEADER.size
    lengths = np.full(len(sizes), _NO_LENGTH, dtype=np.int64)
    codes = np.zeros(len(sizes), dtype=np.int64)
    headers = headers_at(buffer, starts[is_long])
    codes[is_long] = headers & 0xFF
    lengths[is_long] = headers >> 8 & 0xFFFF
    # 3. The usual message is one packet: its stated length is its size and fits its code.
    is_single = (lengths == sizes) & (lengths == _LENGTH_BY_CODE[codes])
    offsets: _Integers = starts[is_single]
    others = np.flatnonzero(~is_single & (sizes > 0))
    if len(others):
        # 4. A usual stacked message has packets of one code only.
        is_run, runs = _find_runs(buffer, starts[others], sizes[others], lengths[others], codes[others])
        # 5. The rest is of several codes, or damaged, and is walked. Sorting restores the order of arrival.
        others = others[~is_run]
        walked = _walk(buffer, starts[others], starts[others] + sizes[others], counters)
        # Runs alone, the usual case, are in that order already.
        offsets = np.sort(np.concatenate((offsets, runs, *walked))) if len(offsets) or walked else runs
    counters.packets += len(offsets)
    return offsets


def _find_runs(
    buffer: bytes, starts: _Integers, sizes: _Integers, lengths: _Integers, codes: _Integers
) -> tuple[npt.NDArray[np.bool_], _Integers]:
    """Return which of these messages are whole packets of one known code, and the offsets of those packets."""
    is_run = (lengths == _LENGTH_BY_CODE[codes]) & (lengths >= HEADER.size)
    # 1. The sizes alone: a multiple of the length of the first packet.
    is_run[is_run] = sizes[is_run] % lengths[is_run] == 0
    # 2. Where the packets of each message would start.
    each = lengths[is_run]
    counts = sizes[is_run] // each
    firsts = np.cumsum(counts) - counts
    number = np.arange(counts.sum()) - np.repeat(firsts, counts)
    offsets = np.repeat(starts[is_run], counts) + number * np.repeat(each, counts)
    if not len(offsets):
        return is_run, offsets
    # 3. Every one of them must have the code and the length of the first: the low 24 bits of the header.
    heads = headers_at(buffer, offsets) & np.uint64(0xFFFFFF)
    is_same = np.logical_and.reduceat(heads == np.repeat(heads[firsts], counts), firsts)
    is_run[is_run] = is_same
    return is_run, offsets[np.repeat(is_same, counts)]


def _walk(buffer: bytes, at: _Integers, ends: _Integers, counters: Counters) -> list[_Integers]:
    """Return the offsets of the known packets in the messages from `at` to `ends`; no message is empty.

    The n-th step reads the n-th packet of every message, so there are as many steps as the longest one has packets.
    """
    found: list[_Integers] = []
    while len(at):
        # Too few bytes for a header end the message.
        has_header = ends - at >= HEADER.size
        counters.malformed += len(at) - int(np.count_nonzero(has_header))
        at, ends = at[has_header], ends[has_header]
        headers = headers_at(buffer, at)
        codes, lengths = headers & 0xFF, (headers >> 8 & 0xFFFF).astype(np.int64)
        following = at + lengths
        # After a wrong length the start of the next packet is unknown: the rest of the message is lost, the packets
        # before it count. An unknown code with a whole length is skipped.
        is_whole = (lengths >= HEADER.size) & (following <= ends)
        is_known = is_whole & (lengths == _LENGTH_BY_CODE[codes])
        whole = int(np.count_nonzero(is_whole))
        counters.malformed += len(at) - whole
        counters.unknown += whole - int(np.count_nonzero(is_known))
        found.append(at[is_known])
        goes_on = is_whole & (following < ends)
        at, ends = following[goes_on], ends[goes_on]
    return found
