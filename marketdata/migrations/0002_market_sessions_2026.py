"""The sessions and holidays of 2026, from the exchanges' circulars; 2027 is not published and stays empty.

One row per segment and weekday, and one per special day. Facts are written out here: later changes of the code that
knows ordinary hours must not change what this seeds. Staff edit the rows; one that already stands is left as it is.
"""

from collections.abc import Iterator
from datetime import date, time, timedelta
from typing import NamedTuple

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

IDX_I, NSE_EQ, NSE_FNO, NSE_CURRENCY, BSE_EQ, MCX_COMM, BSE_CURRENCY, BSE_FNO = 0, 1, 2, 3, 4, 5, 7, 8
SPOTS = (IDX_I, NSE_EQ, BSE_EQ)
DERIVATIVES = (NSE_FNO, BSE_FNO)
CURRENCY = (NSE_CURRENCY, BSE_CURRENCY)
SATURDAY = 5

EQUITY_CIRCULAR = "NSE F&O holiday circular, 12 Dec 2025"
AMENDMENT = "NSE/BSE amendment, 12 Jan 2026"
COMMODITY_CIRCULAR = "BSE commodity holiday circular, 15 Dec 2025"
AUCTION_CIRCULAR = "NSE closing-auction circular, 29 May 2026"
HOURS_CIRCULAR = "NSE commodity trading hours circular, 9 Feb 2026"
SOURCES = (EQUITY_CIRCULAR, AMENDMENT, COMMODITY_CIRCULAR, AUCTION_CIRCULAR, HOURS_CIRCULAR)

# Weekdays on which shares, their derivatives and the indices are not traded.
HOLIDAYS = {
    date(2026, 1, 15): "Maharashtra municipal elections",
    date(2026, 1, 26): "Republic Day",
    date(2026, 3, 3): "Holi",
    date(2026, 3, 26): "Ram Navami",
    date(2026, 3, 31): "Mahavir Jayanti",
    date(2026, 4, 3): "Good Friday",
    date(2026, 4, 14): "Ambedkar Jayanti",
    date(2026, 5, 1): "Maharashtra Day",
    date(2026, 5, 28): "Bakri Id",
    date(2026, 6, 26): "Muharram",
    date(2026, 9, 14): "Ganesh Chaturthi",
    date(2026, 10, 2): "Gandhi Jayanti",
    date(2026, 10, 20): "Dussehra",
    date(2026, 11, 10): "Diwali Balipratipada",
    date(2026, 11, 24): "Guru Nanak Jayanti",
    date(2026, 12, 25): "Christmas",
}
ADDED_LATER = date(2026, 1, 15)
CURRENCY_HOLIDAYS = (date(2026, 2, 19), date(2026, 3, 19), date(2026, 4, 1), date(2026, 8, 26))
# On the other holidays MCX trades in the evening.
MCX_HOLIDAYS = (date(2026, 1, 26), date(2026, 4, 3), date(2026, 10, 2), date(2026, 12, 25))
MCX_EVENING_CLOSED = date(2026, 1, 1)
BUDGET_SUNDAY = date(2026, 2, 1)
MUHURAT = date(2026, 11, 8)

CHANGED_ON = date(2026, 8, 3)
US_SUMMER_FROM, US_SUMMER_TO = date(2026, 3, 9), date(2026, 10, 30)
EVENING = time(17, 0)


class Row(NamedTuple):
    segment: int
    day: date
    kind: str
    opens: time | None
    closes: time | None
    frozen_from: time | None
    source: str
    note: str = ""


def rows() -> Iterator[Row]:
    day = date(2026, 1, 1)
    while day.year == 2026:
        if day.weekday() < SATURDAY:
            yield from equity_rows(day)
            yield from currency_rows(day)
            yield mcx_row(day)
        day += timedelta(days=1)
    for segment in (*SPOTS, *DERIVATIVES):
        yield Row(segment, BUDGET_SUNDAY, "special", time(9, 15), time(15, 30), None, EQUITY_CIRCULAR, "Union Budget")
        yield Row(segment, MUHURAT, "muhurat", None, None, None, EQUITY_CIRCULAR, "One hour; time by circular")


def equity_rows(day: date) -> Iterator[Row]:
    if day in HOLIDAYS:
        source = AMENDMENT if day == ADDED_LATER else EQUITY_CIRCULAR
        yield from (holiday(segment, day, source, HOLIDAYS[day]) for segment in (*SPOTS, *DERIVATIVES))
        return
    is_changed = day >= CHANGED_ON
    source = AUCTION_CIRCULAR if is_changed else EQUITY_CIRCULAR
    frozen_from = time(15, 15) if is_changed else None
    for segment in SPOTS:
        yield Row(segment, day, "regular", time(9, 15), time(15, 30), frozen_from, source)
    for segment in DERIVATIVES:
        yield Row(segment, day, "regular", time(9, 15), time(15, 40) if is_changed else time(15, 30), None, source)


def currency_rows(day: date) -> Iterator[Row]:
    for segment in CURRENCY:
        if day in HOLIDAYS or day in CURRENCY_HOLIDAYS:
            yield holiday(segment, day, EQUITY_CIRCULAR, HOLIDAYS.get(day, "Currency holiday"))
        else:
            yield Row(segment, day, "regular", time(9, 0), EVENING, None, EQUITY_CIRCULAR)


def mcx_row(day: date) -> Row:
    is_summer = US_SUMMER_FROM <= day <= US_SUMMER_TO
    closes = time(23, 30) if is_summer else time(23, 55)
    if day in MCX_HOLIDAYS:
        return holiday(MCX_COMM, day, COMMODITY_CIRCULAR, HOLIDAYS[day])
    if day in HOLIDAYS:
        note = f"Morning closed: {HOLIDAYS[day]}"
        return Row(MCX_COMM, day, "special", EVENING, closes, None, COMMODITY_CIRCULAR, note)
    if day == MCX_EVENING_CLOSED:
        return Row(MCX_COMM, day, "special", time(9, 0), EVENING, None, COMMODITY_CIRCULAR, "Evening closed: New Year")
    return Row(MCX_COMM, day, "regular", time(9, 0), closes, None, HOURS_CIRCULAR)


def holiday(segment: int, day: date, source: str, note: str) -> Row:
    return Row(segment, day, "holiday", None, None, None, source, note)


def add(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # One statement for two thousand rows: every transactional test ends by losing them, and the next seeds again.
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO market_sessions (exchange_segment, day, kind, opens, closes, frozen_from, source, note)"
            " SELECT * FROM unnest(%s::smallint[], %s::date[], %s::text[], %s::time[], %s::time[], %s::time[],"
            " %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
            [list(column) for column in zip(*rows(), strict=True)],
        )


def remove(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    sessions = apps.get_model("marketdata", "MarketSession").objects
    sessions.filter(day__year=2026, source__in=SOURCES).delete()


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0001_tables")]

    operations = [migrations.RunPython(add, remove)]
