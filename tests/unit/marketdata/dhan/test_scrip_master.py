"""The instrument file: rows of both formats, and files that are refused."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.scrip_master import ExpiredRow, MasterRefused, MasterRow, SkipReason, read_rows
from marketdata.dhan.scrip_rows import Layout, parse_date
from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentType, OptionType
from tests import master_lines as made

TODAY = date(2026, 2, 10)


def read_one(line: str, *, header: str = made.COMPACT_HEADER, as_of: date = TODAY) -> MasterRow:
    rows = list(read_rows([header + "\n", line], as_of=as_of))
    assert len(rows) == 1
    return rows[0]


def skipped_of(*lines: str) -> Counter[SkipReason]:
    # Enough valid rows that a few invalid ones do not cause the refusal of the file.
    reading = read_rows(made.compact(*lines, *[made.RELIANCE] * 500), as_of=TODAY)
    parsed = list(reading)
    assert reading.rows_read == len(parsed) + sum(reading.skipped.values()) == len(lines) + 500
    return reading.skipped


def test_an_equity_of_the_compact_file() -> None:
    assert read_one(made.RELIANCE) == MasterRow(
        segment=ExchangeSegment.NSE_EQ,
        security_id=2885,
        exchange=Exchange.NSE,
        instrument_type=InstrumentType.EQUITY,
        underlying_symbol="RELIANCE",
        token="RELIANCE",
        display_name="Reliance Industries",
        company="RELIANCE INDUSTRIES LTD",
        isin="",
        series="EQ",
        security_type="ES",
        expiry=None,
        strike=None,
        option_type=None,
        lot_size=1,
        tick_size=Decimal("0.1"),
        upper_limit=None,
        lower_limit=None,
        freeze_quantity=None,
    )


def test_an_option_of_the_detailed_file() -> None:
    row = read_one(made.SEPTEMBER_CALL, header=made.DETAILED_SEPTEMBER_2026)

    assert row == MasterRow(
        segment=ExchangeSegment.NSE_FNO,
        security_id=35084,
        exchange=Exchange.NSE,
        instrument_type=InstrumentType.OPTIDX,
        underlying_symbol="NIFTY",
        token="NIFTY_29SEP2026_29150CE",
        display_name="NIFTY 29 SEP 29150 CALL",
        company="",
        isin="",
        series="",
        security_type="",
        expiry=date(2026, 9, 29),
        strike=Decimal(29_150),
        option_type=OptionType.CE,
        lot_size=65,
        tick_size=Decimal("0.05"),
        upper_limit=Decimal("20.1"),
        lower_limit=Decimal("0.05"),
        freeze_quantity=1756,
    )


def test_an_equity_of_the_detailed_file_has_its_isin_and_limits() -> None:
    row = read_one(made.APRIL_RELIANCE, header=made.DETAILED_APRIL_2026)

    assert (row.token, row.isin, row.series, row.lot_size) == ("RELIANCE", "INE002A01018", "EQ", 1)
    assert (row.tick_size, row.upper_limit, row.lower_limit) == (Decimal("0.1"), Decimal("1446.6"), Decimal("1183.6"))
    assert row.freeze_quantity is None


def test_a_row_saved_by_a_spreadsheet_is_parsed() -> None:
    row = read_one(made.RESAVED_FUTURE, header=made.DETAILED_2025)

    assert (row.token, row.expiry, row.lot_size) == ("INFY_27NOV2036_FUT", date(2036, 11, 27), 50)
    assert (row.strike, row.tick_size) == (None, Decimal("0.05"))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (made.DETAILED_2025, made.RESAVED_FUTURE),
        (made.DETAILED_APRIL_2026, made.APRIL_RELIANCE),
        (made.DETAILED_SEPTEMBER_2026, made.SEPTEMBER_CALL),
        ("\ufeff" + made.DETAILED_APRIL_2026 + ",SOMETHING_NEW", made.APRIL_RELIANCE + ",7"),
        (",".join(reversed(made.COMPACT_HEADER.split(","))), ",".join(reversed(made.RELIANCE.split(",")))),
    ],
)
def test_columns_are_found_by_name_in_every_generation(header: str, row: str) -> None:
    assert read_one(row, header=header).lot_size > 0


def test_every_generation_is_recognized_by_its_header() -> None:
    assert read_rows([made.COMPACT_HEADER], as_of=TODAY).layout is Layout.COMPACT
    assert read_rows([made.DETAILED_2025], as_of=TODAY).layout is Layout.DETAILED


def test_tick_sizes_are_in_paise_but_in_rupees_on_index_rows() -> None:
    assert read_one(made.NIFTY_FUTURE).tick_size == Decimal("0.1")
    assert read_one(made.CRUDE_FUTURE).tick_size == Decimal(1)
    assert read_one(made.RUPEE_FUTURE).tick_size == Decimal("0.0025")
    assert read_one(made.NIFTY).tick_size == Decimal("0.05")
    assert read_one(made.SENSEX).tick_size == Decimal("0.01")


@pytest.mark.parametrize("row", [made.NIFTY_FUTURE, made.SENSEX_FUTURE, made.CRUDE_FUTURE, made.RELIANCE, made.NIFTY])
def test_strikes_of_rows_other_than_options_are_ignored(row: str) -> None:
    assert read_one(row).strike is None
    assert read_one(row).option_type is None


def test_weekly_and_monthly_contracts_of_one_symbol_have_different_tokens() -> None:
    assert read_one(made.NIFTY_WEEKLY_CALL).token == "NIFTY_17FEB2026_26000CE"
    assert read_one(made.NIFTY_MONTHLY_CALL).token == "NIFTY_24FEB2026_26000CE"


@pytest.mark.parametrize(
    ("row", "underlying", "token"),
    [
        (made.SENSEX_PUT, "SENSEX", "SENSEX_25MAR2026_79000PE"),
        (made.BSE_RELIANCE_CALL, "RELIANCE", "RELIANCE_26FEB2026_1500CE"),
        (made.SENSEX_FUTURE, "SENSEX", "SENSEX_26FEB2026_FUT"),
        (made.CRUDE_CALL, "CRUDEOIL", "CRUDEOIL_17FEB2026_5800CE"),
        (made.RUPEE_CALL, "EURINR", "EURINR_27MAR2026_104.75CE"),
        (
            made.RELIANCE_CALL.replace("RELIANCE-Feb", "BAJAJ-AUTO-Feb"),
            "BAJAJ-AUTO",
            "BAJAJ-AUTO_24FEB2026_1500CE",
        ),
        (made.NIFTY_FUTURE.replace("NIFTY-Feb", "BAJAJ-AUTO-Feb"), "BAJAJ-AUTO", "BAJAJ-AUTO_24FEB2026_FUT"),
    ],
)
def test_the_underlying_comes_from_the_trading_symbol(row: str, underlying: str, token: str) -> None:
    assert read_one(row).underlying_symbol == underlying
    assert read_one(row).token == token


def test_the_detailed_file_names_underlyings_although_its_symbols_are_mnemonics() -> None:
    assert read_one(made.SEPTEMBER_SENSEX_CALL, header=made.DETAILED_SEPTEMBER_2026).underlying_symbol == "SENSEX"


def test_an_index_has_the_symbol_of_its_derivatives() -> None:
    assert read_one(made.NIFTY_NEXT_50).underlying_symbol == "NIFTYNXT50"
    assert read_one(made.SENSEX.replace(",51,", ",83,").replace("SENSEX", "SNSX50")).token == "SENSEX50"
    assert read_one(made.NIFTY.replace(",13,", ",21,").replace("NIFTY", "INDIA VIX")).token == "INDIA VIX"


def test_ids_that_collide_across_segments_are_different_instruments() -> None:
    rows = list(read_rows(made.compact(made.NIFTY, made.RELIANCE.replace("2885", "13")), as_of=TODAY))

    assert [(row.segment.name, row.security_id) for row in rows] == [("IDX_I", 13), ("NSE_EQ", 13)]


def test_every_skipped_row_has_a_reason() -> None:
    assert skipped_of(
        made.NO_FEED,
        made.TEST_FUTURE,
        made.EXPIRED_CALL,
        made.RELIANCE.replace("EQUITY", "OPTXYZ"),
        made.NIFTY_WEEKLY_CALL.replace("26000.00000", "0.00000"),
        made.NIFTY_WEEKLY_CALL.replace(",CE,", ",XX,"),
        made.NIFTY_FUTURE.replace("2026-02-24 14:30:00", ""),
    ) == {
        SkipReason.NO_FEED_SEGMENT: 1,
        SkipReason.TEST: 1,
        SkipReason.EXPIRED: 1,
        SkipReason.UNKNOWN_TYPE: 1,
        SkipReason.MALFORMED: 3,
    }


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-16 18:30:00",
        "2026-02-16T18:30:00.000Z",
        "2026-02-17T09:00:00+00:00",
        "1771286400",
        "46070",
        "2026-02",
        "Feb2026",
        "02/24/2026",
        "2026-02-30",
    ],
)
def test_a_date_without_an_ist_day_is_skipped_for_that_reason(text: str) -> None:
    assert skipped_of(made.NIFTY_WEEKLY_CALL.replace("2026-02-17 14:30:00", text)) == {SkipReason.NO_IST_DAY: 1}


@pytest.mark.parametrize("text", ["2026-02-24T14:30:00", "2026-02-24T00:00:00+05:30", "2026-02-24 14:30:00 IST"])
def test_a_timestamp_in_ist_has_its_day(text: str) -> None:
    assert parse_date(text) == date(2026, 2, 24)


def test_expired_rows_are_returned_by_their_key() -> None:
    reading = read_rows(made.compact(made.NIFTY_WEEKLY_CALL, made.RELIANCE), as_of=date(2026, 2, 18))

    assert [row.security_id for row in reading] == [2885]
    assert reading.expired == [
        ExpiredRow(ExchangeSegment.NSE_FNO, 48236, InstrumentType.OPTIDX, date(2026, 2, 17)),
    ]


def test_a_contract_is_listed_until_the_end_of_its_expiry() -> None:
    assert list(read_rows(made.compact(made.NIFTY_WEEKLY_CALL), as_of=date(2026, 2, 17)))
    assert not list(read_rows(made.compact(made.NIFTY_WEEKLY_CALL), as_of=date(2026, 2, 18)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2885", "two"),
        ("2885", "-1"),
        ("2885", "99999999999"),
        ("1.0", "NaN"),
        ("1.0", "0"),
        ("10.0000", "1e9"),
        (",RELIANCE,", ",,"),
        (",RELIANCE,", ",REL\x00IANCE,"),
        (",RELIANCE,", "," + "R" * 65 + ","),
    ],
)
def test_a_row_with_an_invalid_value_is_skipped(old: str, new: str) -> None:
    assert skipped_of(made.RELIANCE.replace(old, new, 1)) == {SkipReason.MALFORMED: 1}


def test_a_file_with_a_truncated_last_line_is_refused() -> None:
    cut = made.RELIANCE_CALL[: len(made.RELIANCE_CALL) // 2]

    with pytest.raises(MasterRefused, match="cut off: its last line has 8 columns, the one before 16"):
        list(read_rows(made.compact(*[made.RELIANCE] * 500, cut), as_of=TODAY))


def test_a_detailed_file_truncated_within_its_last_number_is_refused() -> None:
    lines = made.detailed(made.DETAILED_SEPTEMBER_2026, made.SEPTEMBER_CALL, made.SEPTEMBER_CALL.removesuffix("56,"))

    with pytest.raises(MasterRefused, match="cut off"):
        list(read_rows(lines, as_of=TODAY))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "The file is empty"),
        (["\n"], "The file is empty"),
        (["<!DOCTYPE html>\n", "<html>"], "no header of an instrument file: '<!DOCTYPE HTML>'"),
        (["a,b,c\n", "1,2,3"], "no header of an instrument file"),
        ([made.COMPACT_HEADER.replace("SEM_LOT_UNITS", "LOTS")], "no column SEM_LOT_UNITS"),
    ],
)
def test_a_file_without_a_valid_header_is_refused(lines: list[str], sentence: str) -> None:
    with pytest.raises(MasterRefused, match=sentence):
        read_rows(lines, as_of=TODAY)


def test_a_header_without_rows_is_refused() -> None:
    with pytest.raises(MasterRefused, match="no rows"):
        list(read_rows([made.COMPACT_HEADER], as_of=TODAY))


def test_a_file_with_more_than_one_percent_invalid_rows_is_refused() -> None:
    bad = made.RELIANCE.replace("2885", "x")

    list(read_rows(made.compact(bad, *[made.RELIANCE] * 99), as_of=TODAY))
    with pytest.raises(MasterRefused, match="2 of 101 rows cannot be read"):
        list(read_rows(made.compact(bad, bad, *[made.RELIANCE] * 99), as_of=TODAY))


def test_a_line_without_an_end_is_refused() -> None:
    with pytest.raises(MasterRefused, match="is no table row"):
        list(read_rows([made.COMPACT_HEADER + "\n", "x" * 200_000], as_of=TODAY))


@given(st.lists(st.text(max_size=200), max_size=8))
def test_arbitrary_lines_are_parsed_or_refused(lines: list[str]) -> None:
    try:
        list(read_rows([made.COMPACT_HEADER + "\n", *lines], as_of=TODAY))
    except MasterRefused:
        return


@given(st.lists(st.text(st.characters(exclude_characters=',"\n\r'), max_size=30), min_size=16, max_size=16))
def test_arbitrary_fields_are_parsed_or_skipped(fields: list[str]) -> None:
    skipped_of(",".join(["NSE", "D", *fields[2:]]))


@pytest.mark.parametrize("text", ["", "NA", "0001-01-01", "0001-01-01 00:00:00", "01/01/0001"])
def test_each_form_of_a_missing_expiry_is_parsed_as_none(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize("text", ["2026-02-24 23:30:00", "2026-02-24", "24/02/26", "24/2/2026", "24-02-2026"])
def test_each_form_of_an_expiry_is_parsed(text: str) -> None:
    assert parse_date(text) == date(2026, 2, 24)
