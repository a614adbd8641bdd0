"""Aliases of underlyings, and exchanges in symbols."""

import pytest

from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentKey
from marketdata.domain.symbols import Spelling, canonical_symbol, list_spellings, parse_key, split_exchange


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("NIFTY50", "NIFTY"),
        ("nifty 50", "NIFTY"),
        (" Nifty  Bank ", "BANKNIFTY"),
        ("nifty next 50", "NIFTYNXT50"),
        ("SNSX50", "SENSEX50"),
        ("reliance", "RELIANCE"),
        ("M&M", "M&M"),
        ("nifty_50", "NIFTY"),
        ("Nifty-Bank", "BANKNIFTY"),
        ("l & t", "LT"),
        ("L and T", "LT"),
        ("Nifty PSU Bank", "NIFTY PSU BANK"),
    ],
)
def test_aliases_mean_the_symbol_on_the_derivatives(text: str, symbol: str) -> None:
    assert canonical_symbol(text) == symbol


@pytest.mark.parametrize(
    ("text", "exchange", "rest"),
    [
        ("BSE:RELIANCE", Exchange.BSE, "RELIANCE"),
        ("bse: x", Exchange.BSE, "x"),
        ("NFO:NIFTY26FEBFUT", Exchange.NSE, "NIFTY26FEBFUT"),
        ("NSE_INDEX|Nifty 50", Exchange.NSE, "Nifty 50"),
        ("MCX_FO|467013", Exchange.MCX, "467013"),
        ("IDX_I:NIFTY", None, "NIFTY"),
        ("X:Y", None, "X:Y"),
        ("X|Y", None, "X|Y"),
        ("A", None, "A"),
    ],
)
def test_an_exchange_is_split_off_only_if_it_is_one(text: str, exchange: Exchange | None, rest: str) -> None:
    assert split_exchange(text) == (exchange, rest)


def test_unprintable_characters_are_removed_from_a_name() -> None:
    assert split_exchange("REL\x00IANCE\n") == (None, "REL IANCE")


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("RELIANCE-EQ", Spelling("RELIANCE")),
        ("BAJAJ-AUTO-EQ", Spelling("BAJAJ-AUTO")),
        ("NIFTY50-INDEX", Spelling("NIFTY")),
        ("RELIANCE.NS", Spelling("RELIANCE", Exchange.NSE)),
        ("reliance.bo", Spelling("RELIANCE", Exchange.BSE)),
        ("^NSEBANK", Spelling("BANKNIFTY")),
        (".BSESN", Spelling("SENSEX")),
        ("NIFTY_50:INDEXNSE", Spelling("NIFTY", Exchange.NSE)),
        ("TCS IB Equity", Spelling("TCS", Exchange.BSE)),
        ("m & m", Spelling("M&M")),
        ("M_M", Spelling("M&M")),
        ("bajaj_auto", Spelling("BAJAJ-AUTO")),
        ("bajaj auto", Spelling("BAJAJ-AUTO")),
        ("L_TFH", Spelling("LTF")),
        ("crude oil", Spelling("CRUDEOIL")),
    ],
)
def test_a_name_of_another_platform_has_our_spelling(text: str, spelling: Spelling) -> None:
    assert spelling in list_spellings(text)


@pytest.mark.parametrize("text", ["RELIANCE", "RELIANCE-N2", "NIFTY 100", "INDIA VIX"])
def test_the_literal_name_comes_first(text: str) -> None:
    assert list_spellings(text)[0] == Spelling(text)


@pytest.mark.parametrize("text", ["", " ", "_", ".", "^", ":", "-EQ", ".NS"])
def test_text_without_a_name_has_no_empty_spelling(text: str) -> None:
    assert all(one.symbol for one in list_spellings(text))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("NSE_FNO:59182", InstrumentKey(ExchangeSegment.NSE_FNO, 59182)),
        ("nse_fno|59182", InstrumentKey(ExchangeSegment.NSE_FNO, 59182)),
        ("NSE_FNO 59182", InstrumentKey(ExchangeSegment.NSE_FNO, 59182)),
        ("NSE_FO|59182", InstrumentKey(ExchangeSegment.NSE_FNO, 59182)),
        ("IDX_I: 13", InstrumentKey(ExchangeSegment.IDX_I, 13)),
        ("BSE 500", None),
        ("NIFTY:50", None),
        ("NSE_FNO:NIFTY", None),
        ("XYZ_ABC:13", None),
    ],
)
def test_a_key_of_the_broker_is_read(text: str, key: InstrumentKey | None) -> None:
    assert parse_key(text) == key
