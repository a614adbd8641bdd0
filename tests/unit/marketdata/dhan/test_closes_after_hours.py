"""Previous closes of what is first heard of after its session: never the close of the session itself."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from marketdata.dhan import packets
from marketdata.dhan.closes import RecordedClose
from marketdata.dhan.packets import Packet
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import CLOSE_KNOWN, QUOTE_ROW, Known, Rows
from marketdata.domain.quotes import PreviousCloseTick, QuoteTick, TickerTick
from marketdata.domain.tick_rules import EndedDays, day_number

PACKET = bytes.fromhex((Path(__file__).parents[3] / "data" / "full_packet_after_hours.hex").read_text())
IST = ZoneInfo("Asia/Kolkata")
FRIDAY, MONDAY = day_number(date(2026, 11, 20)), day_number(date(2026, 11, 23))
SHARE = InstrumentKey(ExchangeSegment.NSE_EQ, 2885)  # that of the packet
OPTION = InstrumentKey(ExchangeSegment.NSE_FNO, 40472)
CRUDE = InstrumentKey(ExchangeSegment.MCX_COMM, 486502)
NIFTY = InstrumentKey(ExchangeSegment.IDX_I, 13)
IDS = {SHARE: 1, OPTION: 2, CRUDE: 3, NIFTY: 4}
AFTER_FRIDAY: EndedDays = {int(segment): FRIDAY for segment in ExchangeSegment}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a time of November 2026 in IST."""
    return datetime(2026, 11, day, hour, minute, tzinfo=IST)


def wall(moment: datetime) -> int:
    """Return a moment as LTT: the wall clock of IST, written as if it were UTC."""
    return int(moment.replace(tzinfo=UTC).timestamp())


def make_table() -> QuoteTable:
    table = QuoteTable()
    table.add(IDS)
    return table


def feed(table: QuoteTable, *sent: Packet | bytes, now: datetime, ended: Mapping[int, int] = AFTER_FRIDAY) -> None:
    for one in sent:
        table.append(one if isinstance(one, bytes) else packets.encode(one))
    table.absorb(received_at_ms=int(now.timestamp() * 1_000), ended=ended)


def closes(table: QuoteTable) -> dict[int, float | None]:
    """Return the previous close of each row with a price, None where it is unknown."""
    return {
        int(row["instrument_id"]): round(float(row["previous_close"]), 2) if row["known"] & CLOSE_KNOWN else None
        for row in table.all_rows()
        if row["known"] & Known.TRADE
    }


def quote(key: InstrumentKey, ltp: float, close: float, *, traded: datetime) -> QuoteTick:
    return QuoteTick(key, ltp, 1, wall(traded), ltp, 10, 1, 1, ltp, close, ltp, ltp)


def test_a_full_packet_after_the_session_sets_no_previous_close() -> None:
    table = make_table()

    feed(table, PACKET, now=at(20, 18))

    assert closes(table) == {1: None}
    assert table.ids_without_close() == {1}
    assert 1 not in table.ids_to_seed()  # a snapshot of now would hold the same close


@pytest.mark.parametrize("now", [at(20, 15, 31), at(21, 11), at(22, 20), at(23, 8, 30)])
def test_until_the_next_session_opens_no_packet_sets_a_previous_close(now: datetime) -> None:
    table = make_table()

    feed(
        table,
        PACKET,
        quote(OPTION, 101.5, 101.5, traded=at(20, 15, 39)),
        quote(CRUDE, 5_801.0, 5_801.0, traded=at(18, 20)),  # it did not trade on Friday
        PreviousCloseTick(NIFTY, 26_068.15, 0),
        TickerTick(NIFTY, 26_068.15, wall(at(20, 15, 29))),
        now=now,
    )

    assert closes(table) == {1: None, 2: None, 3: None, 4: None}


def test_a_previous_close_of_the_session_stays_after_it() -> None:
    table = make_table()
    feed(table, quote(OPTION, 100.0, 90.0, traded=at(20, 11)), now=at(20, 11), ended={})

    feed(table, quote(OPTION, 101.5, 101.5, traded=at(20, 15, 39)), now=at(20, 18))

    assert closes(table) == {2: 90.0}


def test_a_segment_that_is_open_is_not_affected_by_one_that_is_closed() -> None:
    table = make_table()
    ended = {segment: day for segment, day in AFTER_FRIDAY.items() if segment != ExchangeSegment.MCX_COMM}

    feed(table, PACKET, quote(CRUDE, 5_801.0, 5_750.0, traded=at(20, 17, 59)), now=at(20, 18), ended=ended)

    assert closes(table) == {1: None, 3: 5_750.0}


def test_the_trades_before_the_open_have_the_close_of_friday() -> None:
    table = make_table()

    feed(table, quote(SHARE, 1_395.0, 1_391.2, traded=at(23, 9, 8)), now=at(23, 9, 8))

    assert closes(table) == {1: 1_391.2}


def test_the_first_packet_of_the_next_session_sets_what_the_evening_left_unknown() -> None:
    table = make_table()
    feed(table, PACKET, now=at(20, 18))

    feed(table, quote(SHARE, 1_395.0, 1_391.2, traded=at(23, 9, 15)), now=at(23, 9, 15), ended={})

    assert closes(table) == {1: 1_391.2}


def test_an_index_without_a_close_is_asked_for_when_its_session_runs() -> None:
    table = make_table()
    feed(
        table, PreviousCloseTick(NIFTY, 26_068.15, 0), TickerTick(NIFTY, 26_068.15, wall(at(20, 15, 29))), now=at(23, 9)
    )
    assert 4 not in table.ids_to_seed()

    feed(table, TickerTick(NIFTY, 26_100.0, wall(at(23, 9, 15))), now=at(23, 9, 15), ended={})
    assert 4 in table.ids_to_seed()
    table.seed(snapshot(4, ltp=26_100.0, close=26_068.15, traded=at(23, 9, 15)))
    feed(table, TickerTick(NIFTY, 26_110.0, wall(at(23, 9, 16))), now=at(23, 9, 16), ended={})

    assert closes(table) == {4: 26_068.15}


def snapshot(instrument_id: int, *, ltp: float, close: float, traded: datetime) -> Rows:
    row = np.zeros(1, dtype=QUOTE_ROW)
    row["instrument_id"], row["ltp"], row["previous_close"] = instrument_id, ltp, close
    row["ltt"], row["known"] = wall(traded), int(Known.TRADE | Known.DAY_CLOSE)
    return row


def test_a_snapshot_after_the_session_sets_a_price_and_no_previous_close() -> None:
    table = make_table()
    feed(table, now=at(20, 18))

    assert table.seed(snapshot(1, ltp=1_391.2, close=1_391.2, traded=at(20, 15, 29))) == 1

    assert closes(table) == {1: None}


def test_a_snapshot_of_a_session_sets_both() -> None:
    table = make_table()
    feed(table, now=at(20, 11), ended={})

    table.seed(snapshot(1, ltp=1_391.2, close=1_399.0, traded=at(20, 10)))

    assert closes(table) == {1: 1_399.0}


@pytest.mark.parametrize(("oi", "flag"), [(None, Known.DAY_CLOSE), (450, Known.PREVIOUS_CLOSE)])
def test_a_recorded_close_fills_a_price_of_the_day_that_it_precedes(oi: int | None, flag: Known) -> None:
    table = make_table()
    feed(table, PACKET, now=at(20, 18))
    table.take_changes()
    close = RecordedClose(1_402.5, oi, FRIDAY)

    assert table.learn_closes({1: close._replace(day=FRIDAY - 1), 2: close}) == 0
    assert table.learn_closes({1: close}) == 1

    assert closes(table) == {1: 1_402.5}
    (row,) = table.take_changes()
    assert (int(row["known"]) & CLOSE_KNOWN, int(row["previous_oi"])) == (flag, oi or 0)
    assert table.learn_closes({1: RecordedClose(1.0, None, FRIDAY)}) == 0
    # A later packet of the evening changes nothing; the first of Monday replaces it.
    feed(table, PACKET, now=at(20, 19))
    assert closes(table) == {1: 1_402.5}
    feed(table, quote(SHARE, 1_395.0, 1_391.2, traded=at(23, 9, 15)), now=at(23, 9, 15), ended={})
    assert closes(table) == {1: 1_391.2}


def test_an_index_that_never_got_a_close_is_asked_for_in_its_session_alone() -> None:
    table = make_table()

    feed(
        table,
        TickerTick(NIFTY, 26_100.0, wall(at(20, 11))),
        TickerTick(SHARE, 1_391.2, wall(at(20, 11))),
        now=at(20, 11),
        ended={},
    )
    assert table.ids_to_seed() == {2, 3, 4}  # 2 and 3 have no price
    table.seed(snapshot(4, ltp=26_100.0, close=26_068.15, traded=at(20, 11)))

    assert 4 not in table.ids_to_seed()
    assert closes(table) == {1: None, 4: 26_068.15}
    evening = make_table()
    feed(evening, TickerTick(NIFTY, 26_100.0, wall(at(20, 15, 29))), now=at(20, 18))
    assert 4 not in evening.ids_to_seed()
