"""The market calendar in the database: its seed, its constraints, and the permissions to edit it."""

import json
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from marketdata import selectors
from marketdata.checks import check_calendar
from marketdata.domain.instruments import ExchangeSegment as S
from marketdata.domain.sessions import ordinary_session
from marketdata.models import MarketSession
from tests.factories import NOW

pytestmark = pytest.mark.django_db

SPOTS_AND_DERIVATIVES = (S.IDX_I, S.NSE_EQ, S.BSE_EQ, S.NSE_FNO, S.BSE_FNO)


@pytest.fixture
def calendar(reference_data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((reference_data / "market-calendar-2026.json").read_text())
    return found


def days_of(kind: str, *segments: S) -> set[date]:
    sets = [
        set(MarketSession.objects.filter(kind=kind, exchange_segment=one).values_list("day", flat=True))
        for one in segments
    ]
    assert all(one == sets[0] for one in sets)
    return sets[0]


def dates(texts: list[str]) -> set[date]:
    return {date.fromisoformat(one) for one in texts}


def test_the_seed_has_the_holidays_and_special_days_of_the_exchanges(calendar: dict[str, Any]) -> None:
    holidays = dates([day for day, _ in calendar["equity_holidays_2026"]])
    mcx = calendar["mcx_2026"]

    assert days_of("holiday", *SPOTS_AND_DERIVATIVES) == holidays
    assert days_of("special", *SPOTS_AND_DERIVATIVES) | days_of("muhurat", *SPOTS_AND_DERIVATIVES) == dates(
        [day for day, _ in calendar["special_trading_days_2026"]]
    )
    assert days_of("holiday", S.NSE_CURRENCY, S.BSE_CURRENCY) == holidays | dates(
        calendar["currency_extra_holidays_2026"]
    )
    assert days_of("holiday", S.MCX_COMM) == dates(mcx["closed"])
    evenings = MarketSession.objects.filter(exchange_segment=S.MCX_COMM, opens=time(17))
    assert set(evenings.values_list("day", flat=True)) == dates(mcx["morning_closed_evening_open"])
    mornings = MarketSession.objects.filter(exchange_segment=S.MCX_COMM, closes=time(17))
    assert set(mornings.values_list("day", flat=True)) == dates(mcx["evening_closed"])


def test_the_seeded_sessions_have_the_regular_hours_of_their_segment() -> None:
    rows = MarketSession.objects.filter(kind="regular")

    hours = {(row.exchange_segment, row.day): (row.opens, row.closes, row.frozen_from) for row in rows}

    ordinary = {key: ordinary_session(S(key[0]), key[1]) for key in hours}
    assert hours == {key: (one.opens, one.closes, one.frozen_from) for key, one in ordinary.items() if one is not None}
    assert len(hours) > 1_900


def test_every_weekday_of_2026_has_a_row_in_every_segment_and_2027_has_none() -> None:
    weekdays = {day for one in range(365) if (day := date(2026, 1, 1) + timedelta(days=one)).weekday() < 5}

    for segment in S:
        listed = MarketSession.objects.filter(exchange_segment=segment).values_list("day", flat=True)
        assert weekdays <= set(listed)
    assert not MarketSession.objects.filter(day__year=2027).exists()


@pytest.mark.parametrize(
    ("kind", "opens", "closes", "frozen_from", "constraint"),
    [
        ("special", time(12), time(11), None, "open_before_close"),
        ("special", time(12), None, None, "open_before_close"),
        ("holiday", time(9), time(10), None, "holiday_has_no_hours"),
        ("regular", None, None, None, "regular_has_hours"),
        ("special", time(9), time(10), time(11), "frozen_within"),
        ("muhurat", None, None, time(11), "frozen_within"),
    ],
)
def test_the_database_refuses_invalid_sessions(
    kind: str, opens: time | None, closes: time | None, frozen_from: time | None, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        MarketSession.objects.create(
            exchange_segment=S.NSE_EQ,
            day=date(2027, 1, 4),
            kind=kind,
            opens=opens,
            closes=closes,
            frozen_from=frozen_from,
        )


def test_a_segment_has_at_most_one_holiday_per_day() -> None:
    with pytest.raises(IntegrityError, match="unique_start"), transaction.atomic():
        MarketSession.objects.create(exchange_segment=S.NSE_EQ, day=date(2026, 11, 24), kind="holiday")


def test_a_calendar_is_read_once_for_many_calls(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    calendar = selectors.MarketCalendar()

    with django_assert_num_queries(1):
        calendar.refresh(now=NOW)
        answers = [calendar.is_streaming_expected(one, NOW + timedelta(days=day)) for one in S for day in range(5)]

    assert {True, False} == set(answers)


def test_a_calendar_has_the_regular_hours_until_it_is_refreshed() -> None:
    calendar = selectors.MarketCalendar()
    MarketSession.objects.filter(day=NOW.date()).delete()
    MarketSession.objects.create(exchange_segment=S.NSE_FNO, day=NOW.date(), kind="holiday")

    assert calendar.is_streaming_expected(S.NSE_FNO, NOW)
    calendar.refresh(now=NOW)

    assert not calendar.is_streaming_expected(S.NSE_FNO, NOW)


def test_a_calendar_keeps_the_last_read_sessions_when_the_database_fails() -> None:
    calendar = selectors.MarketCalendar()
    MarketSession.objects.filter(day=NOW.date()).delete()
    MarketSession.objects.create(exchange_segment=S.NSE_FNO, day=NOW.date(), kind="holiday")
    calendar.refresh(now=NOW)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE market_sessions RENAME TO renamed_sessions")
        with pytest.raises(DatabaseError), transaction.atomic():
            calendar.refresh(now=NOW)
        cursor.execute("ALTER TABLE renamed_sessions RENAME TO market_sessions")

    assert not calendar.is_streaming_expected(S.NSE_FNO, NOW)


def test_a_calendar_read_returns_only_the_given_segments_and_days(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    friday = date(2026, 11, 20)

    with django_assert_num_queries(1):
        book = selectors.read_calendar(about=friday, segments=[S.MCX_COMM])

    assert book.has_rows(S.MCX_COMM, friday)
    assert not book.has_rows(S.NSE_EQ, friday)
    assert not book.has_rows(S.MCX_COMM, friday - timedelta(days=30))


def test_staff_are_warned_of_a_year_without_sessions_until_it_has_some(settings: Settings) -> None:
    settings.MARKET_DATE = date(2026, 12, 1)
    (warning,) = check_calendar(databases=["default"])
    assert "2027" in warning.msg

    MarketSession.objects.create(exchange_segment=S.NSE_EQ, day=date(2027, 1, 26), kind="holiday")

    assert check_calendar(databases=["default"]) == []


def test_the_sessions_of_a_year_are_created_from_its_holidays(tmp_path: Path) -> None:
    holidays = tmp_path / "2027.csv"
    holidays.write_text("day,segments,kind,opens,closes,note\n2027-01-26,*,holiday,,,Republic Day\n")

    call_command("load_market_calendar", "2027", str(holidays), source="NSE circular")
    call_command("load_market_calendar", "2027", str(holidays), source="NSE circular")

    assert MarketSession.objects.filter(day=date(2027, 1, 26), kind="holiday").count() == len(S)
    monday = MarketSession.objects.get(exchange_segment=S.NSE_FNO, day=date(2027, 1, 4))
    assert (monday.kind, monday.opens, monday.closes, monday.source) == (
        "regular",
        time(9, 15),
        time(15, 40),
        "NSE circular",
    )
    assert MarketSession.objects.filter(day__year=2027).count() == 261 * 8


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("2026-01-26,*,holiday,,,", "days outside 2027: 2026-01-26"),
        ("2027-01-26,*,feast,,,", "'feast' is not a valid SessionKind"),
        ("2027-01-26,NYSE,holiday,,,", "NYSE"),
        ("2027-01-26,*,special,noon,,", "noon"),
    ],
)
def test_an_invalid_calendar_file_is_refused_and_the_year_stays_unchanged(
    tmp_path: Path, lines: str, reason: str
) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(f"day,segments,kind,opens,closes,note\n{lines}\n")
    before = MarketSession.objects.filter(day__year=2026).count()

    with pytest.raises(CommandError, match=reason):
        call_command("load_market_calendar", "2027", str(file))

    assert MarketSession.objects.filter(day__year=2026).count() == before
    assert not MarketSession.objects.filter(day__year=2027).exists()


def test_a_missing_calendar_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("load_market_calendar", "2027", str(tmp_path / "nowhere.csv"))


def test_staff_can_mark_days_as_holidays_in_the_admin(client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss", password="boss"))
    friday = MarketSession.objects.filter(day=date(2026, 12, 4))
    chosen = [
        str(one) for one in friday.filter(exchange_segment__in=[S.NSE_EQ, S.NSE_FNO]).values_list("pk", flat=True)
    ]

    page = client.get("/admin/marketdata/marketsession/")
    client.post("/admin/marketdata/marketsession/", {"action": "make_holidays", "_selected_action": chosen})

    assert page.status_code == 200
    assert set(friday.filter(kind="holiday", opens=None).values_list("exchange_segment", flat=True)) == {
        S.NSE_EQ,
        S.NSE_FNO,
    }


def test_the_admin_lists_sessions_from_today_on_and_past_ones_last(client: Client, settings: Settings) -> None:
    settings.MARKET_DATE = date(2026, 2, 10)
    client.force_login(User.objects.create_superuser("boss", password="boss"))

    page = client.get("/admin/marketdata/marketsession/")
    last = client.get("/admin/marketdata/marketsession/", {"p": page.context["cl"].paginator.num_pages})

    days = [one.day for one in page.context["cl"].result_list]
    assert days[0] == date(2026, 2, 10)
    assert days == sorted(days)
    assert [one.day for one in last.context["cl"].result_list][-1] == date(2026, 2, 9)
