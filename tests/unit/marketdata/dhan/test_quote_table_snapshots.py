"""Quotes across sockets: marked as earlier after a reconnect, seeded by snapshots, replaced by packets."""

import numpy as np

from marketdata.dhan import packets
from marketdata.dhan.packets import DisconnectPacket
from marketdata.domain.quote_rows import QUOTE_ROW, Known, Rows
from marketdata.domain.quotes import DepthLevel, FullTick, OiTick, PreviousCloseTick, QuoteTick, TickerTick
from tests.unit.marketdata.dhan.quote_tables import FUTURE, NIFTY, OPTION, feed, make_table


def test_a_new_socket_resets_counters_and_leaves_the_quotes() -> None:
    table = make_table()
    feed(table, OiTick(OPTION, 7), DisconnectPacket(800))
    table.append(packets.encode(OiTick(OPTION, 99)))

    table.begin_socket()
    table.absorb(received_at_ms=2_000)

    assert table.streaming == 0
    assert table.counters.packets == 0
    assert table.disconnect_reason is None
    assert table.all_rows()["oi"].tolist() == [7]


def snapshot_of(instrument_id: int, *, known: Known, at_ms: int = 2_000, **fields: float) -> Rows:
    rows = np.zeros(1, dtype=QUOTE_ROW)
    rows["instrument_id"], rows["known"], rows["received_at_ms"] = instrument_id, known, at_ms
    for name, value in fields.items():
        rows[name] = value
    return rows


def test_a_quote_of_a_former_socket_is_marked_until_a_price_arrives_on_the_new_one() -> None:
    table = make_table()
    feed(table, TickerTick(NIFTY, 1.5, 9), TickerTick(OPTION, 2.5, 9))
    table.take_changes()
    table.take_uncached()

    table.begin_socket()

    assert table.ids_to_seed() == frozenset({101, 102, 103, 104})
    assert table.take_changes()["known"].tolist() == [Known.TRADE | Known.EARLIER] * 2
    assert table.take_uncached()["instrument_id"].tolist() == [101, 102]
    feed(table, TickerTick(NIFTY, 1.75, 10), PreviousCloseTick(NIFTY, 1.5, 0), OiTick(OPTION, 7))
    changes = {int(row["instrument_id"]): int(row["known"]) for row in table.take_changes()}
    assert changes == {101: Known.TRADE | Known.PREVIOUS_CLOSE, 102: Known.TRADE | Known.OI | Known.EARLIER}
    assert table.ids_to_seed() == frozenset({102, 103, 104})


def test_a_socket_without_a_packet_marks_no_quote_again() -> None:
    table = make_table()
    feed(table, TickerTick(NIFTY, 1.5, 9))
    table.begin_socket()
    table.take_changes()

    table.begin_socket()

    assert len(table.take_changes()) == 0


def test_a_snapshot_replaces_a_quote_of_a_former_socket() -> None:
    table = make_table()
    feed(table, FullTick(OPTION, 1.5, 1, 9, 1.5, 1, 1, 1, 5, 6, 4, *(1.0,) * 4, (DepthLevel(1, 1, 1, 1, 1, 2),) * 5))
    feed(table, PreviousCloseTick(OPTION, 1.25, 3))
    table.begin_socket()
    table.take_changes()

    taken = table.seed(snapshot_of(102, known=Known.TRADE, ltp=1.75, ltt=20))

    (row,) = table.take_changes()
    assert taken == 1
    assert int(row["known"]) == Known.TRADE | Known.PREVIOUS_CLOSE | Known.SNAPSHOT
    assert (float(row["ltp"]), float(row["previous_close"]), int(row["received_at_ms"])) == (1.75, 1.25, 2_000)
    assert 102 not in table.ids_to_seed()
    assert table.seed(snapshot_of(102, known=Known.TRADE, ltp=1.0)) == 0


def test_a_snapshot_replaces_an_old_price_but_no_field_from_the_new_socket() -> None:
    table = make_table()
    feed(table, TickerTick(OPTION, 1.5, 9))
    table.begin_socket()
    feed(table, OiTick(OPTION, 7))
    table.take_changes()

    table.seed(snapshot_of(102, known=Known.TRADE | Known.OI, ltp=1.75, oi=3))

    (row,) = table.take_changes()
    assert (float(row["ltp"]), int(row["oi"])) == (1.75, 7)
    assert int(row["known"]) == Known.TRADE | Known.OI | Known.SNAPSHOT


def test_a_snapshot_fills_unknown_quotes_and_never_overwrites_a_packet() -> None:
    table = make_table()
    feed(table, TickerTick(OPTION, 7.0, 9))
    table.take_changes()
    rows = np.zeros(3, dtype=QUOTE_ROW)
    rows["instrument_id"] = [102, 104, 999]
    rows["oi"] = [70, 80, 90]
    rows["known"] = Known.OI

    taken = table.seed(rows)

    assert taken == 1
    changes = table.take_changes()
    assert changes["instrument_id"].tolist() == [104]
    assert changes["oi"].tolist() == [80]
    assert changes["known"].tolist() == [Known.OI | Known.SNAPSHOT]
    feed(table, TickerTick(FUTURE, 81.0, 9))
    assert table.take_changes()["known"].tolist() == [Known.OI | Known.TRADE]


def test_a_seeded_price_leaves_fields_of_packets_and_is_a_snapshot_until_a_price_arrives() -> None:
    table = make_table()
    feed(table, OiTick(OPTION, 7), PreviousCloseTick(OPTION, 1.25, 3))
    assert 102 in table.ids_to_seed()

    taken = table.seed(snapshot_of(102, known=Known.TRADE | Known.OI, ltp=1.75, oi=3))

    assert taken == 1
    feed(table, OiTick(OPTION, 8), PreviousCloseTick(OPTION, 1.5, 3))
    (row,) = table.all_rows()
    # The first previous close of a day is final.
    assert (float(row["ltp"]), int(row["oi"]), float(row["previous_close"])) == (1.75, 8, 1.25)
    assert int(row["known"]) == Known.TRADE | Known.OI | Known.PREVIOUS_CLOSE | Known.SNAPSHOT
    assert 102 not in table.ids_to_seed()
    feed(table, QuoteTick(OPTION, 2.0, 1, 10, 1.0, 1, 1, 1, 1.0, 1.0, 1.0, 1.0))
    assert int(table.all_rows()["known"][0]) == Known.TRADE | Known.DAY | Known.OI | Known.PREVIOUS_CLOSE
