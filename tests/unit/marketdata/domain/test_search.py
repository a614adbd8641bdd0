"""The grammar of a search."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.instruments import Exchange, OptionType
from marketdata.domain.search import QueryTooLong, SearchQuery, list_strike_ranges, parse_loosely, parse_query

CE, PE = OptionType.CE, OptionType.PE


def check(text: str, **expected: object) -> None:
    found = parse_query(text)
    wanted = SearchQuery(phrase=found.phrase, **{"words": found.words, **expected})  # type: ignore[arg-type]
    assert found == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rel", ("REL",)),
        ("crudeoil", ("CRUDEOIL",)),
        ("bajaj-auto", ("BAJAJ-AUTO",)),
        ("m&m", ("M&M",)),
        ("hdfc bank", ("HDFC", "BANK")),
        ("mar", ("MAR",)),
        ("ce", ("CE",)),
        ("500325", ("500325",)),
        ("%_%", ("%", "%")),
    ],
)
def test_terms_without_another_meaning_are_a_name(text: str, words: tuple[str, ...]) -> None:
    check(text, words=words)


def test_a_strike_an_option_type_and_an_expiry_are_recognized() -> None:
    check("nifty 25000 ce 27 nov", words=("NIFTY",), strike=Decimal(25_000), option_type=CE, day=27, month=11)


def test_the_parts_may_have_any_order() -> None:
    check("nifty 27 nov 25000 put", words=("NIFTY",), strike=Decimal(25_000), option_type=PE, day=27, month=11)


@pytest.mark.parametrize(
    "text", ["nifty 25000ce", "nifty25000ce", "NIFTY 25,000 CALL", "nifty 25000 c", "nifty 25k ce", "nifty 25kce"]
)
def test_strike_and_option_type_are_recognized_in_every_form(text: str) -> None:
    check(text, words=("NIFTY",), strike=Decimal(25_000), option_type=CE)


@pytest.mark.parametrize(
    "text",
    [
        "sbin 27nov 800 pe",
        "sbin 800 pe 2026-11-27",
        "SBIN_27NOV2026_800PE",
        "sbin 27/11/2026 800 pe",
        "sbin 27-11-26 800 pe",
        "sbin 27-Nov-2026 800 pe",
        "sbin 20261127 800 pe",
        "sbin 27th nov 800 pe",
        "sbin 800 pe 27 nov 26",
        "sbin 11/27/26 800 pe",
    ],
)
def test_an_expiry_is_recognized_in_every_form(text: str) -> None:
    found = parse_query(text)

    assert (found.words, found.day, found.month, found.strike, found.option_type) == (
        ("SBIN",),
        27,
        11,
        Decimal(800),
        PE,
    )


def test_a_number_after_a_month_is_a_year() -> None:
    check("nifty dec 2027 25000 ce", words=("NIFTY",), strike=Decimal(25_000), option_type=CE, month=12, year=2027)


@pytest.mark.parametrize("text", ["banknifty fut", "banknifty futures"])
def test_futures_are_recognized(text: str) -> None:
    check(text, words=("BANKNIFTY",), is_future=True)


def test_a_future_of_a_month_is_recognized() -> None:
    check("banknifty sep fut", words=("BANKNIFTY",), month=9, is_future=True)


def test_strikes_may_have_paise() -> None:
    check("reliance 1612.5 ce", words=("RELIANCE",), strike=Decimal("1612.5"), option_type=CE)


def test_a_number_alone_may_be_a_strike_or_part_of_a_name() -> None:
    found = parse_query("nifty 50")

    assert found.phrase == ("NIFTY", "50")
    assert found.strike == 50
    assert not found.names_contract


def test_a_longer_term_that_begins_with_a_month_is_not_a_month() -> None:
    check("hdfc marine", words=("HDFC", "MARINE"))


def test_a_query_above_the_length_limit_is_refused() -> None:
    parse_query("x" * 64)
    with pytest.raises(QueryTooLong):
        parse_query("x" * 65)


@pytest.mark.parametrize(
    "text",
    ["25000 nifty ce", "ce nifty 25000", "25000ce nifty", "25k call nifty", "NIFTY/25000/CE", "buy nifty C25000"],
)
def test_the_name_may_have_any_place(text: str) -> None:
    found = parse_loosely(text)

    assert (found.words, found.strike, found.option_type) == (("NIFTY",), Decimal(25_000), CE)


@pytest.mark.parametrize("text", ["Reliance Ltd.", "reliance share price", "reliance option chain", "$RELIANCE"])
def test_words_that_select_nothing_are_dropped(text: str) -> None:
    assert parse_loosely(text).phrase == ("RELIANCE",)


def test_an_exchange_and_the_word_monthly_are_recognized() -> None:
    found = parse_loosely("bse reliance monthly 1400 pe")

    assert (found.words, found.exchange, found.is_monthly) == (("RELIANCE",), Exchange.BSE, True)


@given(st.text(max_size=64))
def test_arbitrary_text_is_parsed_without_an_error(text: str) -> None:
    found = parse_query(text)

    assert (not found.phrase) == (not text.upper().replace("_", " ").replace(",", "").split())
    assert found.words[:1] == found.phrase[:1]
    assert found.month is None or 1 <= found.month <= 12
    assert found.strike is None or found.strike >= 0
    assert all(parse_loosely(text).words)


STRIKES = st.decimals(min_value=0, max_value=Decimal("99999999.9999"), places=4)


@given(strike=STRIKES, length=st.integers(1, 13), typed=st.from_regex(r"[0-9]{1,8}(\.[0-9]{1,4})?", fullmatch=True))
def test_the_ranges_hold_exactly_the_strikes_that_begin_with_the_digits(
    strike: Decimal, length: int, typed: str
) -> None:
    # The beginning of the strike, which finds it, and any other number, which mostly does not.
    for digits in (f"{strike:f}"[:length].rstrip("."), typed):
        beginning = Decimal(digits)
        in_ranges = [lowest <= strike < beyond for lowest, beyond in list_strike_ranges(beginning)]
        assert sum(in_ranges) == f"{strike:f}".startswith(f"{beginning}")
