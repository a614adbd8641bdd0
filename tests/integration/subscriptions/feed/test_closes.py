"""Previous closes from our own record reach the quote tables of a worker."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from marketdata import selectors
from marketdata.dhan import packets
from marketdata.domain.instruments import ExchangeSegment as S
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quote_rows import CLOSE_KNOWN
from marketdata.domain.quotes import Mode, QuoteTick
from marketdata.domain.tick_rules import day_number
from marketdata.models import ClosingQuote, Instrument
from subscriptions.domain.wanted import WantedInstrument
from subscriptions.feed.connection.life import ConnectionLifecycle
from subscriptions.feed.ownership.statements import Lease
from subscriptions.feed.plan.closes import CloseReader
from tests.factories import make_equity
from tests.waiting import wait_until_async

pytestmark = pytest.mark.django_db(transaction=True)

IST = ZoneInfo("Asia/Kolkata")
THURSDAY = date(2026, 11, 19)
EVENING = datetime(2026, 11, 20, 18, tzinfo=IST)


def packet_of(share: Instrument) -> bytes:
    """Return a packet of the evening: the close field is already that of the day."""
    key = InstrumentKey(S.NSE_EQ, share.security_id)
    traded = int(datetime(2026, 11, 20, 15, 29, tzinfo=UTC).timestamp())
    return packets.encode(QuoteTick(key, 1_391.2, 1, traded, 1_391.2, 9, 1, 1, 1_391.2, 1_391.2, 1_391.2, 1_391.2))


def hear(connection: ConnectionLifecycle, *shares: Instrument) -> None:
    """Let packets of the evening arrive on a connection."""
    keys = {InstrumentKey(S.NSE_EQ, share.security_id): share.pk for share in shares}
    connection.replace_plan([WantedInstrument(pk, key, Mode.FULL) for key, pk in keys.items()])
    connection.table.add(keys)
    for share in shares:
        connection.table.append(packet_of(share))
    connection.drain()


def closes(connection: ConnectionLifecycle) -> dict[int, float | None]:
    return {
        int(row["instrument_id"]): round(float(row["previous_close"]), 2) if row["known"] & CLOSE_KNOWN else None
        for row in connection.table.all_rows()
    }


def make_connection(number: int) -> ConnectionLifecycle:
    calendar = selectors.MarketCalendar()
    calendar.refresh(now=EVENING)
    return ConnectionLifecycle(Lease(number, 1), list_ended=lambda: calendar.list_ended(EVENING))


def test_what_is_first_heard_of_in_the_evening_gets_its_close_from_the_record_or_none() -> None:
    recorded, other, unknown = make_equity("TCS"), make_equity("INFY"), make_equity("RARE")
    ClosingQuote.objects.bulk_create(
        ClosingQuote(instrument=one, exchange_segment=S.NSE_EQ, day=THURSDAY, price=Decimal(price), recorded_at=EVENING)
        for one, price in ((recorded, "1402.5"), (other, "1380"))
    )
    connections = [make_connection(1), make_connection(2)]
    hear(connections[0], recorded, unknown)
    hear(connections[1], other)
    assert [closes(one) for one in connections] == [{recorded.pk: None, unknown.pk: None}, {other.pk: None}]

    async def run() -> None:
        reader = CloseReader(
            lambda: connections, lambda ids: selectors.list_previous_closes(instrument_ids=ids, now=EVENING)
        )
        task = asyncio.create_task(reader.run())
        await wait_until_async(
            lambda: all(recorded.pk not in one.table.ids_without_close() for one in connections), message="the close"
        )
        task.cancel()

    asyncio.run(run())

    assert [closes(one) for one in connections] == [{recorded.pk: 1_402.5, unknown.pk: None}, {other.pk: 1_380.0}]


def test_the_calendar_names_the_last_session_of_each_closed_segment() -> None:
    calendar = selectors.MarketCalendar()
    calendar.refresh(now=EVENING)
    friday = day_number(date(2026, 11, 20))

    evening, monday_morning = calendar.list_ended(EVENING), calendar.list_ended(datetime(2026, 11, 23, 9, tzinfo=IST))

    assert evening == {int(segment): friday for segment in S if segment is not S.MCX_COMM}
    # Commodities and currencies open at nine, the others at a quarter past.
    assert set(monday_morning) == {int(one) for one in (S.IDX_I, S.NSE_EQ, S.NSE_FNO, S.BSE_EQ, S.BSE_FNO)}
    assert set(monday_morning.values()) == {friday}


def test_a_segment_that_trades_is_in_session_whatever_the_calendar_says() -> None:
    connection, share = make_connection(1), make_equity("TCS")
    connection.note_ticking([S.NSE_EQ])

    hear(connection, share)

    assert closes(connection) == {share.pk: 1_391.2}
