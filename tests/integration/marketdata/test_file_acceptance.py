"""Instrument files that are accepted: harmless differences, odd rows that are taken once, and what staff accept."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from marketdata import selectors
from marketdata.models import IndexSpelling, Instrument, InstrumentImport
from tests import instrument_files as made
from tests.instrument_files import Row, changed, edited, without
from tests.integration.marketdata.judged_files import (
    EXPIRY,
    ID,
    LOT,
    NAME,
    NOW,
    STOCK_DERIVATIVES,
    STRIKE,
    index_of_its_own,
    run,
    scaled,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def day_one() -> list[Row]:
    return made.read_file()


def test_an_expiry_that_moves_within_the_future_is_accepted(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)

    moved = edited(EXPIRY, lambda text: text.replace("02-17", "02-16"), kinds="OPTIDX")

    assert run(tmp_path, changed(day_one, moved)).refusal == ""


def test_strikes_of_a_split_share_whose_lots_make_up_for_them_are_accepted(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)
    split = changed(day_one, edited(STRIKE, scaled("0.1"), symbol="TCS", kinds="OPTSTK"))

    record = run(tmp_path, changed(split, edited(LOT, scaled("10"), symbol="TCS", kinds=STOCK_DERIVATIVES)))

    assert record.refusal == ""


def test_the_revised_lot_of_one_underlying_is_accepted(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)

    record = run(tmp_path, changed(day_one, edited(LOT, lambda _: "650.0", symbol="RELIANCE", kinds=STOCK_DERIVATIVES)))

    assert record.refusal == ""
    assert record.changed == 10


@pytest.mark.parametrize(
    ("security_id", "spelling"),
    [("13", "NIFTY 50"), ("25", "Nifty Bank"), ("51", "S&P BSE SENSEX"), ("442", "NIFTY MID SELECT")],
)
def test_a_key_index_is_known_by_its_id_whatever_it_is_called(
    tmp_path: Path, day_one: list[Row], security_id: str, spelling: str
) -> None:
    run(tmp_path, day_one)
    symbol = Instrument.objects.get(exchange_segment=0, security_id=int(security_id)).token

    record = run(tmp_path, [row | {NAME: spelling} if row[ID] == security_id else row for row in day_one])

    assert (record.refusal, record.notes) == ("", [])
    assert Instrument.objects.get(exchange_segment=0, security_id=int(security_id), is_listed=True).token == symbol


def test_a_spelling_that_staff_enter_links_the_index_to_its_derivatives(tmp_path: Path, day_one: list[Row]) -> None:
    IndexSpelling.objects.create(spelling="BSE FOCUSED IT", symbol="FOCIT")

    record = run(tmp_path, index_of_its_own(day_one, spelling="BSE Focused IT"))

    assert (record.refusal, record.notes) == ("", [])
    spot = Instrument.objects.get(security_id=990001).underlying
    assert spot is not None
    assert (spot.security_id, spot.token) == (850, "FOCIT")


def test_an_import_reports_series_without_a_spot(tmp_path: Path, day_one: list[Row]) -> None:
    record = run(tmp_path, index_of_its_own(day_one, spelling="BSE FOCUSED IT"))

    assert record.refusal == ""
    assert record.notes == ["Series without a spot: FOCIT (BSE_FNO, expiries: 1)."]


def test_repeated_lines_are_taken_once(tmp_path: Path, day_one: list[Row]) -> None:
    record = run(tmp_path, [*day_one, *day_one[:40], day_one[3]])

    assert (record.refusal, record.rows_kept, record.skipped) == ("", 94, {"repeated line": 41})
    assert Instrument.objects.filter(is_listed=True).count() == 94


def test_one_key_with_different_rows_is_refused(tmp_path: Path, day_one: list[Row]) -> None:
    record = run(tmp_path, [*day_one, day_one[40] | {STRIKE: "99.0"}])

    assert record.refusal == f"The file lists instruments twice, with different rows: NSE_FNO:{day_one[40][ID]}."


@pytest.mark.parametrize("second_id", ["1", "999999"])
def test_a_contract_under_two_ids_is_taken_once_under_the_listed_id_and_reported(
    tmp_path: Path, day_one: list[Row], second_id: str
) -> None:
    run(tmp_path, day_one)
    row = next(one for one in day_one if one[ID] == "131500")

    record = run(tmp_path, [row | {ID: second_id}, *day_one])

    assert (record.refusal, record.skipped) == ("", {"contract under a second id": 1})
    assert record.notes == [
        f"Contracts under a second id, left out: RELIANCE_24FEB2026_1300CE (NSE_FNO {second_id}, beside 131500)."
    ]
    assert Instrument.objects.get(token="RELIANCE_24FEB2026_1300CE", is_listed=True).security_id == 131500


def test_a_monthly_expiry_is_accepted(tmp_path: Path, day_one: list[Row]) -> None:
    february = [row for row in day_one if made.is_of(row, kinds=STOCK_DERIVATIVES) and "Feb" in row[NAME]]
    march = made.later_series(february, first_id=700_000, expiry="2026-03-31", month="Apr2026")
    april = made.later_series(february, first_id=800_000, expiry="2026-04-29", month="May2026")
    full = [*day_one, *march, *april]
    assert run(tmp_path, full).refusal == ""
    may = made.later_series(february, first_id=900_000, expiry="2026-05-26", month="Jun2026")

    record = run(
        tmp_path,
        [row for row in [*full, *may] if row not in february],
        as_of=date(2026, 2, 25),
        now=NOW + timedelta(days=15),
    )

    assert record.refusal == ""
    assert Instrument.objects.filter(is_listed=True, instrument_type="OPTSTK").count() == 42


def test_a_contract_that_comes_a_day_late_and_a_delisted_share_are_accepted(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)
    gone = {"472789", next(row[ID] for row in day_one if made.is_of(row, segment="E"))}

    assert run(tmp_path, [row for row in day_one if row[ID] not in gone]).refusal == ""


def test_a_dry_run_shows_the_difference_and_writes_nothing_else(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)
    before = list(Instrument.objects.order_by("id").values())
    late = changed(day_one, edited(LOT, lambda _: "650.0", symbol="RELIANCE", kinds=STOCK_DERIVATIVES))

    record = run(tmp_path, [row for row in late if row[ID] != "472789"], is_dry_run=True)

    # Changed: ten lots, and the spot of the six March options of the future that is missing.
    assert (record.refusal, record.is_dry_run, record.delisted, record.changed) == ("", True, 1, 16)
    counts = {f"{one['segment']} {one['kind']}": (one["listed"], one["remaining"]) for one in record.groups}
    assert counts["MCX_COMM FUTCOM"] == (6, 5)
    assert counts["NSE_FNO OPTSTK"] == (14, 14)
    assert InstrumentImport.objects.get(pk=record.pk).groups == record.groups
    assert list(Instrument.objects.order_by("id").values()) == before
    last = selectors.find_last_import()
    assert last is not None
    assert not last.is_newest_refused


@pytest.mark.parametrize("is_dry_run", [True, False])
def test_staff_accept_the_difference_that_they_saw_and_no_other(
    tmp_path: Path, day_one: list[Row], is_dry_run: bool
) -> None:
    run(tmp_path, day_one)
    seen = run(tmp_path, changed(day_one, without(exchange="MCX")), is_dry_run=is_dry_run)
    assert seen.refusal != ""

    other = run(tmp_path, changed(changed(day_one, without(exchange="MCX")), without(kinds="FUTSTK")), accepts=seen.pk)
    accepted = run(tmp_path, changed(day_one, without(exchange="MCX")), accepts=seen.pk)

    assert other.refusal.startswith(f"The difference is not the one of import {seen.pk}. MCX MCX_COMM FUTCOM fell")
    assert (accepted.refusal, accepted.accepts, accepted.delisted) == ("", seen, 18)
    assert not Instrument.objects.filter(is_listed=True, exchange="MCX").exists()


def test_an_import_that_does_not_exist_cannot_be_accepted(tmp_path: Path, day_one: list[Row]) -> None:
    assert run(tmp_path, day_one, accepts=4_711).refusal == "There is no import 4711 to accept."


@pytest.mark.parametrize(
    "folder",
    ["03-expiry-moved", "04-series-change", "05-renamed", "06-ids-swapped", "07-future-a-day-late", "08-index-renamed"],
)
def test_the_second_day_of_these_samples_is_accepted(tmp_path: Path, reference_data: Path, folder: str) -> None:
    days = [made.read_file(reference_data / "faults" / folder / f"day{day}.csv.gz") for day in (1, 2)]
    assert run(tmp_path, days[0]).refusal == ""

    assert run(tmp_path, days[1]).refusal == ""
    assert selectors.find_underlying(symbol="NIFTY").instrument_id is not None
