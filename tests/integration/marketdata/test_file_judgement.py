"""Instrument files that would harm the list: each kind is refused with its numbers."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from marketdata.domain.list_rules import ListRule
from marketdata.models import Instrument
from tests import instrument_files as made
from tests.instrument_files import Change, Row, changed, edited, without
from tests.integration.marketdata.judged_files import (
    EXPIRY,
    ID,
    LOT,
    NAME,
    NOW,
    OPTION_TYPE,
    OPTIONS,
    STOCK_DERIVATIVES,
    STRIKE,
    TICK,
    index_of_its_own,
    numbers,
    rules,
    run,
    scaled,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def day_one() -> list[Row]:
    return made.read_file()


def swapped(text: str) -> str:
    return {"CE": "PE", "PE": "CE"}.get(text, text)


def swapped_types(row: Row) -> Row:
    row = edited(OPTION_TYPE, swapped, kinds=OPTIONS)(row) or row
    return edited(NAME, lambda text: text[:-2] + swapped(text[-2:]), kinds=OPTIONS)(row) or row


def day_before(text: str) -> str:
    return f"{date.fromisoformat(text[:10]) - timedelta(days=1)}{text[10:]}"


@pytest.mark.parametrize(
    ("change", "fell"),
    [
        pytest.param(
            without(exchange="MCX"),
            {"MCX MCX_COMM FUTCOM": (6, 0), "MCX MCX_COMM OPTFUT": (12, 0)},
            id="an exchange",
        ),
        pytest.param(without(exchange="BSE", segment="D"), {"BSE BSE_FNO OPTIDX": (8, 0)}, id="a segment"),
        pytest.param(without(kinds="FUTSTK"), {"NSE NSE_FNO FUTSTK": (6, 0)}, id="a kind"),
        pytest.param(without(symbol="TCS", kinds="OPTSTK"), {"NSE NSE_FNO OPTSTK": (14, 7)}, id="half of a kind"),
        pytest.param(
            lambda row: row | {"SEM_INSTRUMENT_NAME": "EQ"} if row["SEM_SEGMENT"] == "E" else row,
            {"NSE NSE_EQ EQUITY": (26, 0)},
            id="an unknown name of a kind",
        ),
        pytest.param(
            lambda row: row | {"SEM_EXM_EXCH_ID": "MCXX"} if row["SEM_EXM_EXCH_ID"] == "MCX" else row,
            {"MCX MCX_COMM FUTCOM": (6, 0), "MCX MCX_COMM OPTFUT": (12, 0)},
            id="an unknown name of an exchange",
        ),
    ],
)
def test_a_file_without_rows_that_are_in_force_is_refused_with_the_counts_that_fell(
    tmp_path: Path, day_one: list[Row], change: Change, fell: dict[str, tuple[int, int]]
) -> None:
    assert run(tmp_path, day_one).refusal == ""
    before = list(Instrument.objects.order_by("id").values())

    record = run(tmp_path, changed(day_one, change))

    assert numbers(record, ListRule.FEWER_ROWS) == fell
    for group, (listed, remaining) in fell.items():
        assert f"{group} fell from {listed} to {remaining} rows" in record.refusal
    assert list(Instrument.objects.order_by("id").values()) == before


def test_new_contracts_do_not_hide_that_others_vanished(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)
    calls = [row for row in day_one if made.is_of(row, kinds="OPTSTK")]
    new = made.later_series(calls, first_id=900_000, expiry="2026-03-30", month="Mar2026")

    record = run(tmp_path, [*changed(day_one, without(kinds="OPTSTK")), *new])

    assert "NSE NSE_FNO OPTSTK fell from 14 to 0 rows, besides 14 new ones." in record.refusal


@pytest.mark.parametrize(
    ("kinds", "past"),
    [
        pytest.param(STOCK_DERIVATIVES, {"NSE NSE_FNO FUTSTK", "NSE NSE_FNO OPTSTK"}, id="stock derivatives"),
        pytest.param("OPTFUT FUTCOM", {"MCX MCX_COMM FUTCOM", "MCX MCX_COMM OPTFUT"}, id="commodities"),
    ],
)
def test_dates_ten_years_back_are_refused(tmp_path: Path, day_one: list[Row], kinds: str, past: set[str]) -> None:
    run(tmp_path, day_one)

    record = run(tmp_path, changed(day_one, edited(EXPIRY, lambda text: "2016" + text[4:], kinds=kinds)))

    assert set(numbers(record, ListRule.PAST_EXPIRY)) == past
    assert set(numbers(record, ListRule.FEWER_ROWS)) == past
    assert "are skipped, expired" in record.refusal


def test_one_contract_whose_expiry_falls_before_today_is_refused(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)
    moved = [row | {EXPIRY: "2026-02-09 14:30:00"} if row[ID] == "48215" else row for row in day_one]

    record = run(tmp_path, moved)

    assert numbers(record, ListRule.PAST_EXPIRY) == {"NSE NSE_FNO OPTIDX": (16, 1)}
    assert "1 of 16 contracts of NSE NSE_FNO OPTIDX have an expiry before 10 Feb 2026" in record.refusal


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda text: day_before(text[:10]) + " 18:30:00", id="midnight as UTC"),
        pytest.param(lambda text: day_before(text[:10]) + "T18:30:00.000Z", id="a timestamp of another zone"),
        pytest.param(
            lambda text: str(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())), id="epoch seconds"
        ),
        pytest.param(lambda text: text[:7], id="a month"),
        pytest.param(lambda text: f"{text[5:7]}/{text[8:10]}/{text[:4]}", id="the month first"),
    ],
)
def test_dates_without_an_ist_day_are_refused(tmp_path: Path, day_one: list[Row], edit: Callable[[str], str]) -> None:
    run(tmp_path, day_one)

    record = run(tmp_path, changed(day_one, edited(EXPIRY, edit, kinds="OPTIDX OPTSTK OPTFUT FUTSTK FUTCOM")))

    # Nothing of the derivatives can be read: the sentence counts the dates.
    assert numbers(record, ListRule.SKIPPED_ROWS)["date without an IST day"][0] == 0
    assert "rows instead of 0 are skipped, date without an IST day" in record.refusal


def test_expiries_one_day_earlier_at_every_exchange_are_refused(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)

    record = run(tmp_path, changed(day_one, edited(EXPIRY, day_before, kinds="OPTIDX OPTSTK OPTFUT FUTSTK FUTCOM")))

    assert numbers(record, ListRule.SHIFTED_EXPIRIES) == {"all exchanges": (62, 62)}


@pytest.mark.parametrize(
    ("factor", "values"),
    [("100", {"kinds": OPTIONS}), ("0.01", {"kinds": "OPTSTK"}), ("10", {"symbol": "TCS", "kinds": "OPTSTK"})],
)
def test_strikes_off_by_a_power_of_ten_are_refused(
    tmp_path: Path, day_one: list[Row], factor: str, values: dict[str, str]
) -> None:
    run(tmp_path, day_one)

    record = run(tmp_path, changed(day_one, edited(STRIKE, scaled(factor), **values)))

    assert "NSE NSE_FNO OPTSTK" in numbers(record, ListRule.SCALED_STRIKES)
    assert "off by a power of ten" in record.refusal


def test_swapped_calls_and_puts_are_refused(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)

    record = run(tmp_path, changed(day_one, swapped_types))

    assert numbers(record, ListRule.SWAPPED_OPTION_TYPES) == {
        "NSE NSE_FNO OPTIDX": (16, 0),
        "NSE NSE_FNO OPTSTK": (14, 0),
        "BSE BSE_FNO OPTIDX": (8, 0),
        "MCX MCX_COMM OPTFUT": (12, 0),
    }


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (edited(LOT, lambda _: "1.0", kinds="OPTIDX"), ListRule.CHANGED_LOTS),
        (edited(LOT, scaled("100")), ListRule.CHANGED_LOTS),
        (edited(TICK, scaled("100")), ListRule.CHANGED_TICKS),
        (edited(TICK, scaled("0.01"), kinds="EQUITY"), ListRule.CHANGED_TICKS),
    ],
    ids=["lots of one kind", "all lots", "all ticks", "ticks of one kind"],
)
def test_lots_or_ticks_that_all_change_are_refused(
    tmp_path: Path, day_one: list[Row], change: Change, rule: ListRule
) -> None:
    run(tmp_path, day_one)

    record = run(tmp_path, changed(day_one, change))

    assert rules(record) == {rule}


@pytest.mark.parametrize(
    ("as_of", "sentence"),
    [
        (date(2036, 2, 10), "ended over 21 days before 10 Feb 2036"),
        (date(2026, 3, 10), "8 of 62 contracts ended over 21 days before 10 Mar 2026"),
        (date(2025, 2, 10), "The date is 10 Feb 2025 here, before the 10 Feb 2026 of the last import."),
    ],
)
def test_a_host_whose_date_is_wrong_keeps_the_list(
    tmp_path: Path, day_one: list[Row], as_of: date, sentence: str
) -> None:
    run(tmp_path, day_one)

    record = run(tmp_path, day_one, as_of=as_of, now=NOW + timedelta(days=1))

    assert sentence in record.refusal
    assert Instrument.objects.filter(is_listed=True).count() == 94


def test_a_first_import_on_a_host_whose_date_is_wrong_is_refused(tmp_path: Path, day_one: list[Row]) -> None:
    record = run(tmp_path, day_one, as_of=date(2027, 2, 10))

    assert "the dates of the file or the date of this host are wrong" in record.refusal
    assert not Instrument.objects.exists()


def test_the_row_of_a_key_index_with_the_symbol_of_another_one_is_not_taken(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)
    names = {"13": "BANKNIFTY", "25": "NIFTY"}

    record = run(tmp_path, [row | {NAME: names.get(row[ID], row[NAME])} for row in day_one])

    assert record.refusal != ""


def test_an_index_row_that_lost_its_derivatives_is_refused(tmp_path: Path, day_one: list[Row]) -> None:
    assert run(tmp_path, index_of_its_own(day_one, spelling="FOCIT")).refusal == ""

    record = run(tmp_path, index_of_its_own(day_one, spelling="BSE FOCUSED IT"))

    assert numbers(record, ListRule.LOST_DERIVATIVES) == {"FOCIT 850": (1, 0)}
    assert record.refusal == "The index FOCIT (id 850) lost its derivatives: 1 in the list, none in the file."
    assert record.notes == []


@pytest.mark.parametrize("folder", ["01-exchange-missing", "02-dates-ten-years-back"])
def test_the_second_day_of_these_samples_is_refused(tmp_path: Path, reference_data: Path, folder: str) -> None:
    days = [made.read_file(reference_data / "faults" / folder / f"day{day}.csv.gz") for day in (1, 2)]
    assert run(tmp_path, days[0]).refusal == ""

    assert " fell from " in run(tmp_path, days[1]).refusal
