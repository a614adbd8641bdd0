"""The record of closing prices and open interest, and the previous closes that are read from it."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import redis.asyncio
from django.conf import settings as django_settings
from django_celery_beat.models import PeriodicTask
from pytest_django import DjangoAssertNumQueries, Settings

from marketdata import quote_board, selectors, services, tasks
from marketdata.domain.instruments import ExchangeSegment as S
from marketdata.domain.quote_rows import QUOTE_ROW, Known, Rows
from marketdata.models import ClosingQuote, Instrument
from marketdata.selectors import PreviousClose
from tests.factories import make_equities, make_equity, make_future, make_index

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

IST = ZoneInfo("Asia/Kolkata")
THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)


def ist(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a time of November 2026 in IST."""
    return datetime(2026, 11, day, hour, minute, tzinfo=IST)


def quote(instrument: Instrument, ltp: float, *, at: datetime, traded_at: datetime | None = None, oi: int = 0) -> Rows:
    """Return the row of a full packet that came at `at`."""
    row = np.zeros(1, dtype=QUOTE_ROW)
    row["instrument_id"], row["segment"], row["ltp"], row["oi"] = instrument.pk, instrument.exchange_segment, ltp, oi
    row["known"] = int(Known.TRADE | Known.OI)
    row["received_at_ms"] = int(at.timestamp() * 1_000)
    # LTT is the wall clock of IST, written as if it were UTC.
    wall = (traded_at or at).astimezone(IST).replace(tzinfo=UTC)
    row["ltt"] = int(wall.timestamp())
    return row


def put(*rows: Rows) -> None:
    async def write() -> None:
        async with redis.asyncio.Redis.from_url(django_settings.REDIS_URL) as client:
            board = quote_board.OwnerBoard(client, django_settings.REDIS_PREFIX)
            await board.cache_rows(
                connection=1, epoch=1, rows=np.concatenate(rows), dropped=(), replace_all=True, overrule=False
            )

    asyncio.run(write())


def recorded() -> list[tuple[str, date, Decimal | None, int | None]]:
    rows = ClosingQuote.objects.order_by("day", "instrument_id")
    return list(rows.values_list("instrument__token", "day", "price", "oi"))


def test_each_segment_is_recorded_once_after_its_own_close() -> None:
    nifty, share, crude = make_index(), make_equity("TCS"), make_future("CRUDEOIL", expiry=date(2026, 12, 17))
    put(
        quote(nifty, 26_068.15, at=ist(20, 15, 30)),
        quote(share, 3_150.9, at=ist(20, 15, 29)),
        quote(crude, 5_801.0, at=ist(20, 15, 30), oi=12_345),
    )

    assert services.record_closes(now=ist(20, 15, 34)).instruments == 0
    assert services.record_closes(now=ist(20, 15, 35)).segments == {S.IDX_I: FRIDAY, S.NSE_EQ: FRIDAY}
    put(quote(share, 9_999.0, at=ist(20, 15, 50)), quote(crude, 5_850.0, at=ist(20, 23, 54), oi=12_400))
    assert services.record_closes(now=ist(20, 23, 55)).instruments == 0
    assert services.record_closes(now=ist(21, 0, 0)).segments == {S.MCX_COMM: FRIDAY}

    assert recorded() == [
        ("NIFTY", FRIDAY, Decimal("26068.15"), None),
        ("TCS", FRIDAY, Decimal("3150.9"), None),
        ("CRUDEOIL_17DEC2026_FUT", FRIDAY, Decimal(5_850), 12_400),
    ]
    assert services.record_closes(now=ist(22, 12)).instruments == 0


def test_a_price_of_another_day_is_no_closing_price() -> None:
    future = make_future("CRUDEOIL", expiry=date(2026, 12, 17))
    silent = make_future("GOLD", expiry=date(2026, 12, 4))
    put(
        quote(future, 5_801.0, at=ist(20, 9), traded_at=ist(18, 20), oi=77),
        quote(silent, 120_000.0, at=ist(19, 23), oi=5),  # nothing came on Friday
    )

    services.record_closes(now=ist(21, 8))

    assert recorded() == [("CRUDEOIL_17DEC2026_FUT", FRIDAY, None, 77)]


def test_nothing_is_recorded_of_a_day_without_a_session_or_during_the_next_one() -> None:
    share = make_equity("TCS")
    put(quote(share, 3_150.9, at=ist(23, 9, 20)))

    assert services.record_closes(now=ist(23, 9, 20)).instruments == 0

    put(quote(share, 3_150.9, at=ist(20, 15, 20)))
    services.record_closes(now=ist(22, 18))  # Sunday: late, and still of Friday
    assert recorded() == [("TCS", FRIDAY, Decimal("3150.9"), None)]


def test_a_record_needs_as_many_statements_for_many_instruments_as_for_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    shares = make_equities(60)
    put(quote(shares[0], 100.0, at=ist(19, 15)))
    with django_assert_num_queries(4):  # calendar, unrecorded segments, instruments, record
        services.record_closes(now=ist(19, 16))
    put(*(quote(share, 100.0, at=ist(20, 15)) for share in shares))

    with django_assert_num_queries(4):
        services.record_closes(now=ist(20, 16))

    assert ClosingQuote.objects.filter(day=FRIDAY).count() == 60


def record(instrument: Instrument, day: date, price: str | None, oi: int | None = None) -> None:
    ClosingQuote.objects.create(
        instrument=instrument,
        exchange_segment=instrument.exchange_segment,
        day=day,
        price=None if price is None else Decimal(price),
        oi=oi,
        recorded_at=datetime.combine(day, time(15, 35), tzinfo=IST),
    )


@pytest.mark.parametrize("now", [ist(20, 9, 15), ist(20, 18), ist(21, 11), ist(22, 23), ist(23, 9, 14)])
def test_the_previous_close_of_friday_is_that_of_thursday_until_monday_opens(now: datetime) -> None:
    share, untraded, older = make_equity("TCS"), make_equity("RARE"), make_equity("INFY")
    record(share, THURSDAY, "3100")
    record(share, FRIDAY, "3150.9")
    record(untraded, THURSDAY, None, 5)
    record(older, date(2026, 11, 18), "1500")

    found = selectors.list_previous_closes(instrument_ids=[share.pk, untraded.pk, older.pk], now=now)

    assert found == {share.pk: PreviousClose(Decimal(3_100), None, FRIDAY)}


def test_the_previous_close_of_a_day_after_a_holiday_is_that_of_the_session_before_it() -> None:
    # 24 Nov 2026 is a holiday of the exchanges; commodities have their evening session.
    share, crude = make_equity("TCS"), make_future("CRUDEOIL", expiry=date(2026, 12, 17))
    record(share, date(2026, 11, 23), "3200")
    record(crude, date(2026, 11, 23), "5800", 10)
    record(crude, date(2026, 11, 24), "5900", 20)

    found = selectors.list_previous_closes(instrument_ids=[share.pk, crude.pk], now=ist(25, 9, 30))

    assert found == {
        share.pk: PreviousClose(Decimal(3_200), None, date(2026, 11, 25)),
        crude.pk: PreviousClose(Decimal(5_900), 20, date(2026, 11, 25)),
    }


def test_the_task_is_scheduled_and_runs_without_a_board() -> None:
    tasks.record_closes.apply()

    assert PeriodicTask.objects.get(name="Record closing prices").task == tasks.record_closes.name


def record_days(count: int) -> list[date]:
    """Record `count` days up to Friday for two shares; return them, oldest first."""
    shares = make_equities(2)
    days = [FRIDAY - timedelta(days=count - number) for number in range(1, count + 1)]
    for share in shares:
        for day in days:
            record(share, day, "100")
    return days


def days_kept() -> list[date]:
    return list(ClosingQuote.objects.values_list("day", flat=True).order_by("day").distinct())


def test_days_beyond_the_newest_ones_are_removed_whole(settings: Settings) -> None:
    settings.CLOSES_KEEP_DAYS = 3
    days = record_days(5)

    assert services.remove_old_closes() == 4
    assert days_kept() == days[2:]
    assert services.remove_old_closes() == 0


def test_a_run_removes_a_bounded_number_of_days_oldest_first(settings: Settings) -> None:
    settings.CLOSES_KEEP_DAYS = 3
    days = record_days(25)

    assert [services.remove_old_closes(), days_kept()] == [40, days[20:]]
    assert [services.remove_old_closes(), days_kept()] == [4, days[22:]]


def test_a_record_of_a_clock_that_ran_ahead_removes_one_day_and_not_the_others(settings: Settings) -> None:
    settings.CLOSES_KEEP_DAYS = 3
    days = record_days(3)
    record(Instrument.objects.earliest("pk"), date(2036, 11, 20), "100")

    services.remove_old_closes()

    assert days_kept() == [*days[1:], date(2036, 11, 20)]


def test_without_a_record_nothing_is_removed() -> None:
    assert services.remove_old_closes() == 0


def test_the_removal_is_scheduled() -> None:
    record_days(1)

    tasks.remove_old_closes.apply()

    row = PeriodicTask.objects.get(task=tasks.remove_old_closes.name)
    assert (row.name, row.queue, row.enabled) == ("Remove old closing prices", "default", True)
    assert len(days_kept()) == 1
