"""A quote table with four instruments, and helpers that feed it packets and read its quotes."""

from marketdata.dhan import packets
from marketdata.dhan.packets import Packet
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import Rows
from marketdata.domain.quotes import Quote
from tests.frame_readers import quote_of

NIFTY = InstrumentKey(ExchangeSegment.IDX_I, 13)
OPTION = InstrumentKey(ExchangeSegment.NSE_FNO, 40472)
OTHER_OPTION = InstrumentKey(ExchangeSegment.NSE_FNO, 13)  # the security id of NIFTY, in another segment
FUTURE = InstrumentKey(ExchangeSegment.MCX_COMM, 2**31 - 1)
STRANGER = InstrumentKey(ExchangeSegment.NSE_EQ, 1333)
IDS = {NIFTY: 101, OPTION: 102, OTHER_OPTION: 103, FUTURE: 104}
KEY_OF = {instrument_id: key for key, instrument_id in IDS.items()}


def make_table() -> QuoteTable:
    table = QuoteTable()
    table.add(IDS)
    return table


def feed(table: QuoteTable, *ticks: Packet, at_ms: int = 1_000) -> None:
    for tick in ticks:
        table.append(packets.encode(tick))
    table.absorb(received_at_ms=at_ms)


def quotes_of(rows: Rows) -> dict[InstrumentKey, Quote]:
    return {(key := KEY_OF[int(row["instrument_id"])]): quote_of(row, key) for row in rows}
