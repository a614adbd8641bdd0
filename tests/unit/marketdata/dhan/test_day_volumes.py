"""The day's volume across wraps of its 32 bits on the wire: the rule and its fast twin, on the same vectors."""

import json
from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan import packets
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.quote_rows import QUOTE_ROW, Known, Rows
from marketdata.domain.quotes import DepthLevel, FullTick, Quote, QuoteTick, TickerTick
from marketdata.domain.tick_rules import DayVolume, TrackedQuote, apply_tick
from tests.unit.marketdata.dhan.quote_tables import IDS, OPTION, feed, make_table

VECTORS: dict[str, list[dict[str, int]]] = json.loads(
    (Path(__file__).resolve().parents[3] / "data" / "volumes.json").read_text()
)
DAY = 86_400
NOON = 20_700 * DAY + DAY // 2  # a trade time: IST written as if UTC
WIRE = 2**32
LEVEL = DepthLevel(0, 0, 0, 0, 0.0, 0.0)

Step = dict[str, int]


def at_ms(day: int) -> int:
    return (NOON + day * DAY - packets.IST_OFFSET_SECONDS) * 1_000


def full(volume: int, ltt: int) -> FullTick:
    return FullTick(OPTION, 8.5, 1, ltt, 8.5, volume, *(0,) * 5, *(8.0,) * 4, (LEVEL,) * 5)


def quote(volume: int, ltt: int) -> QuoteTick:
    return QuoteTick(OPTION, 8.5, 1, ltt, 8.5, volume, 0, 0, *(8.0,) * 4)


def tick_of(step: Step) -> FullTick | QuoteTick | TickerTick:
    """Return the packet of a step: full and quote packets in turn, a ticker where the step has no volume."""
    ltt = step.get("ltt", NOON + step.get("day", 0) * DAY + step.get("second", 0))
    if "sent" not in step:
        return TickerTick(OPTION, 8.5, ltt)
    return full(step["sent"], ltt) if step.get("second", 0) % 2 == 0 else quote(step["sent"], ltt)


def received_at_ms(step: Step) -> int:
    return at_ms(step.get("received_day", step.get("day", 0)))


def volume_in(table: QuoteTable) -> int:
    (row,) = table.all_rows()
    return int(row["volume"])


@pytest.mark.parametrize("name", VECTORS)
def test_the_rule_gives_the_volumes_of_the_vectors(name: str) -> None:
    tracked = TrackedQuote(Quote(OPTION))
    volumes: list[int | None] = []

    for step in VECTORS[name]:
        tracked, _ = apply_tick(tracked, tick_of(step), received_at_ms=received_at_ms(step))
        volumes.append(tracked.quote.volume)

    assert volumes == [step["volume"] for step in VECTORS[name]]


@pytest.mark.parametrize("name", VECTORS)
def test_the_table_gives_the_volumes_of_the_vectors_packet_by_packet(name: str) -> None:
    table, socket = make_table(), 1
    volumes: list[int] = []

    for step in VECTORS[name]:
        if step.get("socket", 1) != socket:
            socket = step["socket"]
            table.begin_socket()
        feed(table, tick_of(step), at_ms=received_at_ms(step))
        volumes.append(volume_in(table))

    assert volumes == [step["volume"] for step in VECTORS[name]]


@pytest.mark.parametrize("name", VECTORS)
def test_the_table_gives_the_last_volume_of_the_packets_of_one_flush(name: str) -> None:
    table = make_table()

    for _, steps in groupby(VECTORS[name], key=lambda one: (one.get("socket", 1), received_at_ms(one))):
        flush = list(steps)
        feed(table, *map(tick_of, flush), at_ms=received_at_ms(flush[0]))

    assert volume_in(table) == VECTORS[name][-1]["volume"]


trades = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=30)
cuts = st.lists(st.integers(0, 30), max_size=6)


@given(trades=trades, cuts=cuts)
def test_the_volume_of_a_day_is_the_sum_of_its_trades_however_often_the_wire_wraps(
    trades: Sequence[int], cuts: Sequence[int]
) -> None:
    table = make_table()
    totals = np.cumsum(trades).tolist()
    # A trade of zero is a change of depth.
    ticks = [full(total % WIRE, NOON + number) for number, total in enumerate(totals)]
    bounds = [0, *sorted(cuts), len(ticks)]

    for start, end in pairwise(bounds):
        feed(table, *ticks[start:end], at_ms=at_ms(0))

    assert volume_in(table) == totals[-1]


def snapshot(volume: int, *, ltt: int, known: Known = Known.TRADE | Known.DAY, day: int = 0) -> Rows:
    rows = np.zeros(1, dtype=QUOTE_ROW)
    rows["instrument_id"], rows["known"], rows["received_at_ms"] = IDS[OPTION], known, at_ms(day)
    rows["ltp"], rows["ltt"], rows["volume"] = 8.5, ltt, volume
    return rows


@pytest.mark.parametrize("sent", [6_000, WIRE + 6_000])
def test_a_snapshot_on_a_new_socket_continues_the_volume_whatever_its_width(sent: int) -> None:
    table = make_table()
    feed(table, full(4_294_900_000, NOON), full(5_000, NOON + 1), at_ms=at_ms(0))
    table.begin_socket()

    table.seed(snapshot(sent, ltt=NOON + 2))

    assert volume_in(table) == WIRE + 6_000
    feed(table, full(7_000, NOON + 3), at_ms=at_ms(0))
    assert volume_in(table) == WIRE + 7_000


def test_a_snapshot_of_the_next_morning_begins_again() -> None:
    table = make_table()
    feed(table, full(4_294_900_000, NOON), at_ms=at_ms(0))
    table.begin_socket()

    table.seed(snapshot(65, ltt=NOON + DAY, day=1))

    assert volume_in(table) == 65


def test_the_count_of_wraps_outlives_a_snapshot_without_a_volume() -> None:
    table = make_table()
    feed(table, full(4_294_900_000, NOON), full(5_000, NOON + 1), at_ms=at_ms(0))
    table.begin_socket()

    table.seed(snapshot(0, ltt=NOON + 2, known=Known.TRADE))

    assert not table.all_rows()["known"][0] & Known.DAY
    feed(table, full(7_000, NOON + 3), at_ms=at_ms(0))
    assert volume_in(table) == WIRE + 7_000


def test_the_count_of_wraps_outlives_a_rebuild_of_the_rows() -> None:
    table = make_table()
    feed(table, full(4_294_900_000, NOON), full(5_000, NOON + 1), at_ms=at_ms(0))

    table.remove([key for key in IDS if key != OPTION])
    feed(table, full(6_000, NOON + 2), at_ms=at_ms(0))

    assert volume_in(table) == WIRE + 6_000


def test_only_volumes_above_half_the_range_are_listed_for_the_next_owner() -> None:
    table = make_table()
    feed(table, full(2**31, NOON), at_ms=at_ms(0))
    assert table.list_large_volumes() == {}

    feed(table, full(4_294_900_000, NOON + 1), full(5_000, NOON + 2), at_ms=at_ms(0))

    assert table.list_large_volumes() == {IDS[OPTION]: DayVolume(WIRE + 5_000, NOON + 2)}


@pytest.mark.parametrize(
    ("counted", "sent", "volume"),
    [
        (DayVolume(WIRE + 5_000, NOON), 6_000, WIRE + 6_000),
        # The wrap came after the last volume that the former owner saw.
        (DayVolume(4_294_900_000, NOON), 6_000, WIRE + 6_000),
        # Noted by the former owner after the packet left.
        (DayVolume(WIRE + 5_000, NOON + 2), 4_294_900_000, 4_294_900_000),
        (DayVolume(WIRE + 5_000, NOON - DAY), 6_000, 6_000),
    ],
)
@pytest.mark.parametrize("moment", ["before the instrument", "before the first packet", "after it"])
def test_the_volume_of_another_owner_continues_at_whatever_moment_it_is_recalled(
    counted: DayVolume, sent: int, volume: int, moment: str
) -> None:
    table = QuoteTable()

    for step in ("before the instrument", "add", "before the first packet", "packet", "after it"):
        if step == "add":
            table.add(IDS)
        elif step == "packet":
            feed(table, full(sent, NOON + 1), at_ms=at_ms(0))
        elif step == moment:
            table.recall_volumes({IDS[OPTION]: counted}, now_ms=at_ms(0))

    assert volume_in(table) == volume
    feed(table, full((sent + 1_000) % WIRE, NOON + 2), at_ms=at_ms(0))
    assert volume_in(table) == volume + 1_000


def test_a_recalled_volume_is_published_only_where_it_changes_one() -> None:
    table = make_table()
    feed(table, full(6_000, NOON + 1), at_ms=at_ms(0))
    table.take_changes()

    table.recall_volumes({IDS[OPTION]: DayVolume(WIRE + 5_000, NOON), 104: DayVolume(WIRE, NOON)}, now_ms=at_ms(0))

    assert table.take_changes()["volume"].tolist() == [WIRE + 6_000]
    assert len(table.all_rows()) == 1
    table.recall_volumes({IDS[OPTION]: DayVolume(WIRE + 6_000, NOON + 1)}, now_ms=at_ms(0))
    assert len(table.take_changes()) == 0
