"""Instrument files that would harm the list: each kind is refused with its numbers, and what is harmless is taken."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from marketdata import selectors, services
from marketdata.domain.list_rules import ListRule
from marketdata.models import IndexSpelling, Instrument, InstrumentImport
from tests import instrument_files as made
from tests.instrument_files import Change, Row, changed, edited, without

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 2, 10, 2, 30, tzinfo=UTC)
TODAY = date(2026, 2, 10)
EXPIRY, STRIKE, OPTION_TYPE = "SEM_EXPIRY_DATE", "SEM_STRIKE_PRICE", "SEM_OPTION_TYPE"
LOT, TICK, NAME, ID = "SEM_LOT_UNITS", "SEM_TICK_SIZE", "SEM_TRADING_SYMBOL", "SEM_SMST_SECURITY_ID"
OPTIONS = "OPTIDX OPTSTK OPTFUT"
STOCK_DERIVATIVES = "OPTSTK FUTSTK"


@pytest.fixture
def day_one() -> list[Row]:
    return made.read_file()


def run(
    path: Path,
    rows: Sequence[Row],
    *,
    as_of: date = TODAY,
    now: datetime = NOW,
    accepts: int | None = None,
    is_dry_run: bool = False,
) -> InstrumentImport:
    source = made.write_file(path / "list.csv", rows)
    return services.import_instruments(source=source, as_of=as_of, now=now, accepts=accepts, is_dry_run=is_dry_run)


def rules(record: InstrumentImport) -> set[str]:
    return {one["rule"] for one in record.findings}


def numbers(record: InstrumentImport, rule: ListRule) -> dict[str, tuple[int, int]]:
    return {one["subject"]: (one["before"], one["after"]) for one in record.findings if one["rule"] == rule}


def scaled(factor: str) -> Callable[[str], str]:
    return lambda text: f"{Decimal(text) * Decimal(factor):f}"


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


def test_an_expiry_that_moves_within_the_future_is_accepted(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)

    moved = edited(EXPIRY, lambda text: text.replace("02-17", "02-16"), kinds="OPTIDX")

    assert run(tmp_path, changed(day_one, moved)).refusal == ""


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


def test_strikes_of_a_split_share_whose_lots_make_up_for_them_are_accepted(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)
    split = changed(day_one, edited(STRIKE, scaled("0.1"), symbol="TCS", kinds="OPTSTK"))

    record = run(tmp_path, changed(split, edited(LOT, scaled("10"), symbol="TCS", kinds=STOCK_DERIVATIVES)))

    assert record.refusal == ""


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


def test_the_revised_lot_of_one_underlying_is_accepted(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)

    record = run(tmp_path, changed(day_one, edited(LOT, lambda _: "650.0", symbol="RELIANCE", kinds=STOCK_DERIVATIVES)))

    assert record.refusal == ""
    assert record.changed == 10


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


def test_the_row_of_a_key_index_with_the_symbol_of_another_one_is_not_taken(tmp_path: Path, day_one: list[Row]) -> None:
    run(tmp_path, day_one)
    names = {"13": "BANKNIFTY", "25": "NIFTY"}

    record = run(tmp_path, [row | {NAME: names.get(row[ID], row[NAME])} for row in day_one])

    assert record.refusal != ""


def index_of_its_own(day_one: list[Row], *, spelling: str) -> list[Row]:
    """Return the rows with FOCIT, an index that is no key index, and a future on it."""
    index = next(row for row in day_one if row[ID] == "51")
    option = next(row for row in day_one if made.is_of(row, symbol="SENSEX", kinds="OPTIDX"))
    contract = option[NAME].replace("SENSEX", "FOCIT")
    return [*day_one, index | {ID: "850", NAME: spelling}, option | {ID: "990001", NAME: contract}]


def test_an_index_row_that_lost_its_derivatives_is_refused(tmp_path: Path, day_one: list[Row]) -> None:
    assert run(tmp_path, index_of_its_own(day_one, spelling="FOCIT")).refusal == ""

    record = run(tmp_path, index_of_its_own(day_one, spelling="BSE FOCUSED IT"))

    assert numbers(record, ListRule.LOST_DERIVATIVES) == {"FOCIT 850": (1, 0)}
    assert record.refusal == "The index FOCIT (id 850) lost its derivatives: 1 in the list, none in the file."
    assert record.notes == []


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


@pytest.mark.parametrize("folder", ["01-exchange-missing", "02-dates-ten-years-back"])
def test_the_second_day_of_these_samples_is_refused(tmp_path: Path, reference_data: Path, folder: str) -> None:
    days = [made.read_file(reference_data / "faults" / folder / f"day{day}.csv.gz") for day in (1, 2)]
    assert run(tmp_path, days[0]).refusal == ""

    assert " fell from " in run(tmp_path, days[1]).refusal


@pytest.mark.parametrize(
    "folder",
    ["03-expiry-moved", "04-series-change", "05-renamed", "06-ids-swapped", "07-future-a-day-late", "08-index-renamed"],
)
def test_the_second_day_of_these_samples_is_accepted(tmp_path: Path, reference_data: Path, folder: str) -> None:
    days = [made.read_file(reference_data / "faults" / folder / f"day{day}.csv.gz") for day in (1, 2)]
    assert run(tmp_path, days[0]).refusal == ""

    assert run(tmp_path, days[1]).refusal == ""
    assert selectors.find_underlying(symbol="NIFTY").instrument_id is not None
