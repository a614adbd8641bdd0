"""Details of single instruments: the bytes that the JavaScript decoder reads, who gets them, and when they are sent."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from marketdata.domain.quote_rows import QUOTE_ROW, Known, Rows
from marketdata.streaming.details import (
    DETAIL_ROW,
    DETAILS_VERSION,
    Detail,
    DetailOutbox,
    DetailTable,
    detail_rows,
    encode_details,
)
from marketdata.streaming.mirror import QuoteMirror
from tests.unit.marketdata.streaming.bus_rows import make_frame, make_row

VECTORS = Path(__file__).resolve().parents[3] / "data" / "detail_frames.json"
NOW_MS = 1_795_012_345_678
ALL = Known.TRADE | Known.DAY | Known.OI | Known.OI_RANGE | Known.DEPTH


def make_full_row(instrument_id: int, *, bid: float = 138.85, known: Known = ALL) -> Rows:
    """Return a bus row as a full packet leaves it: three bids, five asks."""
    row = make_row(instrument_id, ltp=138.9, known=known, bid=bid, ask=138.95)
    row["ltq"], row["average_price"], row["oi_day_high"], row["oi_day_low"] = 65, 141.27, 1_234_500, 1_200_025
    row["total_buy_quantity"], row["total_sell_quantity"] = 845_000, 3_000_000_000
    row["day_open"], row["day_high"], row["day_low"] = 150.0, 162.4, 130.05
    depth = row["depth"][0]
    depth["bid_price"][1:3], depth["ask_price"][1:] = [138.8, 138.75], [139.0, 139.05, 139.1, 139.15]
    depth["bid_quantity"][1:3], depth["ask_quantity"][1:] = [650, 1_300], [130, 195, 260, 325]
    depth["bid_orders"][:3], depth["ask_orders"] = [1, 4, 7], [2, 1, 3, 1, 5]
    return row


def vector_frames() -> dict[str, bytes]:
    """Encode the frames on which the JavaScript decoder is tested."""
    rows = np.concatenate([make_full_row(41), make_full_row(42, known=Known.TRADE)])
    return {"two": encode_details([one.tobytes() for one in detail_rows(rows)], server_time_ms=NOW_MS)}


def test_the_stored_frames_of_the_javascript_tests_are_current() -> None:
    made = {name: base64.b64encode(payload).decode() for name, payload in vector_frames().items()}

    assert json.loads(VECTORS.read_text()) == made


def test_a_row_takes_144_bytes_and_a_header_16() -> None:
    assert DETAIL_ROW.itemsize == 144
    assert [len(payload) for payload in vector_frames().values()] == [16 + 2 * 144]
    assert vector_frames()["two"][0] == DETAILS_VERSION


@pytest.mark.parametrize(
    ("known", "flags"),
    [
        (Known.TRADE, Detail(0)),
        (Known.TRADE | Known.DEPTH, Detail.DEPTH),
        (Known.DAY | Known.OI_RANGE, Detail.DAY | Detail.OI_RANGE),
        (ALL, Detail.DAY | Detail.OI_RANGE | Detail.DEPTH),
    ],
)
def test_a_group_that_is_unknown_on_the_bus_has_no_flag(known: Known, flags: Detail) -> None:
    assert Detail(int(detail_rows(make_full_row(41, known=known))["known"][0])) == flags


def test_five_levels_of_the_depth_reach_the_row_as_received() -> None:
    row = make_full_row(41)

    assert detail_rows(row)["depth"].tobytes() == row["depth"].tobytes()


def make_table(*watched: int) -> DetailTable:
    table = DetailTable()
    table.watch(set(watched))
    return table


def bids_of(rows: list[bytes]) -> list[float]:
    found = np.frombuffer(b"".join(rows), dtype=DETAIL_ROW)
    return [round(float(one), 2) for one in found["depth"]["bid_price"][:, 0]]


def test_only_rows_of_watched_instruments_are_kept() -> None:
    table = make_table(41)

    table.absorb(np.concatenate([make_full_row(41), make_full_row(42)]))

    assert len(table.changed_since([41, 42], 0)) == 1
    assert table.missing == []


def test_an_equal_row_is_no_change() -> None:
    table = make_table(41)
    table.absorb(make_full_row(41))
    seen = table.version

    table.absorb(make_full_row(41))
    assert table.changed_since([41], seen) == []
    table.absorb(make_full_row(41, bid=139.0))
    assert bids_of(list(table.changed_since([41], seen))) == [139.0]


def test_a_cached_row_fills_a_gap_and_replaces_no_newer_one() -> None:
    table = make_table(41, 42)
    table.absorb(make_full_row(41, bid=139.0))
    assert table.missing == [42]

    table.absorb_cached(np.concatenate([make_full_row(41, bid=1.0), make_full_row(42, bid=2.0), make_full_row(43)]))

    assert bids_of(list(table.changed_since([41, 42, 43], 0))) == [139.0, 2.0]


def test_rows_that_nobody_looks_at_any_more_are_dropped() -> None:
    table = make_table(41)
    table.absorb(make_full_row(41))

    table.watch(set())
    table.watch({41})

    assert table.missing == [41]


def test_the_mirror_hands_on_the_rows_that_it_accepts() -> None:
    mirror = QuoteMirror()
    mirror.details.watch({41})
    mirror.absorb(make_frame(make_full_row(41), sequence=1, epoch=7))

    # A former owner that wakes up publishes under its old epoch.
    mirror.absorb(make_frame(make_full_row(41, bid=1.0), sequence=9, epoch=6))

    assert bids_of(list(mirror.details.changed_since([41], 0))) == [138.85]


def send(outbox: DetailOutbox, table: DetailTable, *, now: float) -> list[float] | None:
    """Return the best bids in the frame of a browser at 4 Hz; None without a frame."""
    payload = outbox.next_frame(table, now=now, now_ms=NOW_MS, interval_seconds=0.25)
    return None if payload is None else bids_of([payload[16:]])


def test_a_browser_gets_what_is_known_at_once_and_then_what_changed_in_each_interval() -> None:
    table, outbox = make_table(41), DetailOutbox()
    table.absorb(make_full_row(41))
    outbox.watch([41])

    assert send(outbox, table, now=10.0) == [138.85]
    table.absorb(make_full_row(41, bid=139.0))
    assert send(outbox, table, now=10.2) is None
    # A timer that is early by a few milliseconds must not halve the rate.
    assert send(outbox, table, now=10.25) == [139.0]
    assert send(outbox, table, now=10.5) is None
    table.absorb(make_full_row(41, bid=139.5))
    assert send(outbox, table, now=10.51) == [139.5]


def test_a_browser_that_looks_at_nothing_gets_no_frame() -> None:
    table, outbox = make_table(41), DetailOutbox()
    table.absorb(make_full_row(41))

    assert send(outbox, table, now=10.0) is None


def test_a_resync_repeats_what_is_known() -> None:
    table, outbox = make_table(41), DetailOutbox()
    table.absorb(make_full_row(41))
    outbox.watch([41])
    assert send(outbox, table, now=10.0) == [138.85]

    outbox.resync()

    assert send(outbox, table, now=10.01) == [138.85]


def test_an_empty_table_takes_any_rows() -> None:
    table = DetailTable()

    table.absorb(np.zeros(0, dtype=QUOTE_ROW))
    table.absorb(make_full_row(41))

    assert (table.version, table.missing) == (0, [])
