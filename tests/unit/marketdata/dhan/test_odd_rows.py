"""Rows of the instrument file with odd fields: each is skipped, or fits the database; the other rows are taken."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.scrip_master import MasterRow, SkipReason, read_rows
from tests import master_lines as made

TODAY = date(2026, 2, 10)
FIELDS = made.COMPACT_HEADER.split(",")
DETAILED_FIELDS = made.DETAILED_SEPTEMBER_2026.split(",")


def replace_field(line: str, name: str, text: str) -> str:
    """Return a row of the compact or the detailed file with another text in one field."""
    names = FIELDS if name in FIELDS else DETAILED_FIELDS
    parts = line.split(",")
    parts[names.index(name)] = text
    return ",".join(parts)


def read_beside_others(line: str) -> tuple[list[MasterRow], Counter[SkipReason]]:
    """Return what is read of `line`, in a file with enough other rows."""
    is_compact = line.count(",") == made.COMPACT_HEADER.count(",")
    header = made.COMPACT_HEADER if is_compact else made.DETAILED_SEPTEMBER_2026
    other = made.RELIANCE if is_compact else made.SEPTEMBER_CALL
    reading = read_rows([f"{one}\n" for one in (header, line, *[other] * 200)], as_of=TODAY)
    rows = list(reading)
    assert len(rows) >= 200
    return rows[: len(rows) - 200], reading.skipped


ODD_NUMBERS = [
    "-",
    "NaN",
    "Infinity",
    "-1",
    "1E12",
    "1E+999999999",
    "1E-999999999",
    "9" * 400,
    "0x10",
    "1_0e99",
    "true",
]


@pytest.mark.parametrize("text", [*ODD_NUMBERS, "0.00001", "null"])
def test_an_option_with_an_odd_strike_is_skipped(text: str) -> None:
    rows, skipped = read_beside_others(replace_field(made.RELIANCE_CALL, "SEM_STRIKE_PRICE", text))

    assert (rows, skipped) == ([], {SkipReason.MALFORMED: 1})


@pytest.mark.parametrize("name", ["SEM_LOT_UNITS", "SEM_TICK_SIZE"])
@pytest.mark.parametrize("text", ODD_NUMBERS)
def test_a_row_with_an_odd_lot_or_tick_is_skipped(name: str, text: str) -> None:
    rows, skipped = read_beside_others(replace_field(made.RELIANCE, name, text))

    assert (rows, skipped) == ([], {SkipReason.MALFORMED: 1})


@pytest.mark.parametrize("name", ["SM_UPPER_LIMIT", "SM_LOWER_LIMIT"])
@pytest.mark.parametrize("text", ["NaN", "1E11", "1E+999999999", "9" * 400])
def test_a_row_with_an_impossible_price_limit_is_skipped(name: str, text: str) -> None:
    rows, skipped = read_beside_others(replace_field(made.SEPTEMBER_CALL, name, text))

    assert (rows, skipped) == ([], {SkipReason.MALFORMED: 1})


@pytest.mark.parametrize("text", ["\x00", "E\x00S", "x" * 5_000])
def test_the_code_of_a_security_type_fits_the_database(text: str) -> None:
    rows, _ = read_beside_others(replace_field(made.RELIANCE, "SEM_EXCH_INSTRUMENT_TYPE", text))

    assert [row.security_type.isprintable() and len(row.security_type) <= 32 for row in rows] == [True]


NUMBERS = st.decimals(allow_nan=True, allow_infinity=True).map(str) | st.integers(-(10**30), 10**30).map(str)
TEXTS = st.text(st.characters(exclude_characters=',"\n\r'), max_size=100)


@given(
    line=st.sampled_from([made.RELIANCE, made.NIFTY, made.RELIANCE_CALL, made.NIFTY_FUTURE, made.CRUDE_CALL]),
    changes=st.dictionaries(st.sampled_from(FIELDS), NUMBERS | TEXTS, max_size=4),
)
def test_any_fields_are_skipped_or_fit_the_database(line: str, changes: dict[str, str]) -> None:
    for name, text in changes.items():
        line = replace_field(line, name, text)

    rows, _ = read_beside_others(line)

    for row in rows:
        texts = (row.underlying_symbol, row.token, row.display_name, row.isin, row.series, row.security_type)
        assert all(text.isprintable() for text in texts)
        assert len(row.token) <= 96
        assert row.strike is None or Decimal("0.0001") <= row.strike < 10**8
        assert 0 <= row.tick_size < 10**6
        assert 1 <= row.lot_size < 2**31
