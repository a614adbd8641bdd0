"""R14: older, duplicate or impossible ticks never replace a quote, in any order of arrival."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from marketdata import quote_board
from marketdata.dhan import packets
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import Known
from marketdata.domain.quotes import Tick, TickerTick
from tests.integration.subscriptions.feed.feed_workers import (
    list_reports,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

NIFTY = InstrumentKey(ExchangeSegment.IDX_I, 13)
OPTION = InstrumentKey(ExchangeSegment.NSE_FNO, 40472)
NOON = 20_700 * 86_400 + 43_200  # a trade time: IST written as if UTC
DAY = 86_400
KINDS = ("nan_price", "zero_price", "negative_price")


def count(kind: str) -> int:
    return sum(one.statistics.impossible_ticks.get(kind, 0) for one in list_reports())


class CachedRows:
    """The cached rows of the board, polled repeatedly."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = ids
        self.ltts: Mapping[int, int] = {}
        self.went_back: list[tuple[int, int, int]] = []
        self.impossible: list[float] = []
        self.suspects = 0

    def poll(self) -> None:
        cached = quote_board.connect().read_cached(self._ids)
        rows = {one: row for one, (_, row) in cached.items()}
        ltts = {one: int(row["ltt"]) for one, row in rows.items()}
        self.went_back += [(one, self.ltts[one], ltt) for one, ltt in ltts.items() if ltt < self.ltts.get(one, 0)]
        self.ltts = ltts
        prices = [float(row["ltp"]) for row in rows.values() if row["known"] & Known.TRADE]
        self.impossible += [price for price in prices if not (math.isfinite(price) and price > 0)]
        self.suspects = sum(bool(row["known"] & Known.SUSPECT) for row in rows.values())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_board")
def test_r14_late_and_duplicate_packets_never_take_a_quote_back(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        ids = [one.instrument_id for one in make_subscriptions(simulator, count=40)]
        with running_worker(tmp_path, name="feed", simulator=simulator):
            wait_until_streaming(40)
            seen = CachedRows(ids)

            simulator.set_fault("out_of_order", 0.4)
            simulator.set_fault("duplicates", 0.3)

            def has_rejected() -> bool:
                seen.poll()
                return count("older") >= 20

            wait_until(has_rejected, seconds=30, message="older packets are rejected")
            assert (len(seen.ltts), seen.went_back) == (40, [])
            assert {kind: count(kind) for kind in ("negative", "zero", "not_finite")} == {
                "negative": 0,
                "zero": 0,
                "not_finite": 0,
            }


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_board")
def test_r14_impossible_prices_are_counted_by_kind_and_never_shown(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        ids = [one.instrument_id for one in make_subscriptions(simulator, count=40)]
        with running_worker(tmp_path, name="feed", simulator=simulator):
            wait_until_streaming(40)
            seen = CachedRows(ids)

            for fault in KINDS:
                simulator.set_fault(fault, 0.2)

            def are_all_counted() -> bool:
                seen.poll()
                return min(count("not_finite"), count("zero"), count("negative")) >= 20 and seen.suspects > 0

            wait_until(
                are_all_counted, seconds=20, message="impossible prices are counted and quotes are shown as suspect"
            )
            for fault in KINDS:
                simulator.clear_fault(fault)

            def is_past() -> bool:
                seen.poll()
                return seen.suspects == 0

            wait_until(is_past, seconds=20, message="no quote is suspect after valid prices")
            assert (len(seen.ltts), seen.impossible) == (40, [])


def feed(table: QuoteTable, *ticks: Tick, now: int = NOON) -> None:
    for tick in ticks:
        table.append(packets.encode(tick))
    table.absorb(received_at_ms=(now - packets.IST_OFFSET_SECONDS) * 1_000)


@pytest.mark.parametrize("is_one_flush", [True, False])
@pytest.mark.parametrize(
    ("ltts", "shown", "older", "future"),
    [
        ([NOON, NOON + 1], 1, 0, 0),  # a later trade time is newer
        ([NOON + 1, NOON], 0, 1, 0),  # an earlier one is older
        ([NOON, NOON], 1, 0, 0),  # of equal times the later arrival wins
        ([NOON + 1, NOON, NOON + 1], 2, 1, 0),
        ([NOON, 0], 0, 1, 0),  # without a time it is not a trade of today
        ([NOON, 315_532_800], 0, 1, 0),
        ([NOON - DAY, 0], 1, 0, 0),  # a new day without a trade
        ([NOON - DAY, NOON - DAY + 1], 1, 0, 0),
        ([NOON, NOON + 3 * DAY], 0, 0, 1),  # a day in the future
    ],
)
def test_r14_a_later_trade_time_wins_and_of_equal_times_the_later_arrival(
    ltts: Sequence[int], shown: int, older: int, future: int, *, is_one_flush: bool
) -> None:
    table = QuoteTable()
    table.add({OPTION: 1})
    ticks = [TickerTick(OPTION, 100.0 + number, ltt) for number, ltt in enumerate(ltts)]

    for window in [ticks] if is_one_flush else [[one] for one in ticks]:
        feed(table, *window)

    assert table.all_rows()["ltp"].tolist() == [100.0 + shown]
    assert (table.counters.older, table.counters.future) == (older, future)


def test_r14_a_jump_of_an_option_is_accepted_and_one_of_an_index_only_when_repeated() -> None:
    table = QuoteTable()
    table.add({NIFTY: 1, OPTION: 2})
    feed(table, TickerTick(NIFTY, 25_000.0, NOON), TickerTick(OPTION, 0.05, NOON))

    feed(table, TickerTick(NIFTY, 250_001.0, NOON + 1), TickerTick(OPTION, 20.0, NOON + 1))

    rows = {int(row["instrument_id"]): row for row in table.all_rows()}
    assert (float(rows[1]["ltp"]), float(rows[2]["ltp"])) == (25_000.0, 20.0)
    assert [bool(rows[one]["known"] & Known.SUSPECT) for one in (1, 2)] == [True, False]
    assert (table.counters.jump, table.counters.bad) == (1, 1)
    feed(table, *[TickerTick(NIFTY, 250_001.0, NOON + 2)] * 3)
    assert table.all_rows()["ltp"].tolist() == [250_001.0, 20.0]
    assert table.counters.jump == 3
