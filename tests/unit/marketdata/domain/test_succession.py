"""Which listed instrument continues one that is gone: each row of the table, and its refusals."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.instruments import ExchangeSegment, InstrumentType, SeriesKey
from marketdata.domain.succession import (
    Change,
    Pair,
    Terms,
    choose_series,
    choose_successor,
    find_change_of_row,
)

CALL = Terms(
    ExchangeSegment.NSE_FNO,
    48215,
    InstrumentType.OPTIDX,
    "NIFTY",
    "NIFTY_17FEB2026_25500CE",
    "",
    date(2026, 2, 17),
    Decimal(25500),
    "CE",
)
FUTURE = Terms(
    ExchangeSegment.NSE_FNO,
    59460,
    InstrumentType.FUTSTK,
    "RELIANCE",
    "RELIANCE_24FEB2026_FUT",
    "",
    date(2026, 2, 24),
    None,
    "",
)
SHARE = Terms(
    ExchangeSegment.NSE_EQ,
    10407,
    InstrumentType.EQUITY,
    "KSHITIJPOL",
    "KSHITIJPOL",
    "INE013201027",
    None,
    None,
    "",
)
RENAMED = {"is_symbol_gone": True, "is_symbol_new": True}


def pair(former: Terms, present: Terms, **context: bool) -> Pair:
    return Pair(1, former, present.security_id, present, **context)


@pytest.mark.parametrize(
    ("former", "present", "context", "change"),
    [
        (CALL, replace(CALL, security_id=7), {}, Change.NEW_ID),
        (CALL, replace(CALL, expiry=date(2026, 2, 16)), {}, Change.EXPIRY_MOVED),
        (FUTURE, replace(FUTURE, expiry=date(2026, 2, 26)), {}, Change.EXPIRY_MOVED),
        (FUTURE, replace(FUTURE, symbol="JIO"), RENAMED, Change.RENAMED),
        (SHARE, replace(SHARE, security_id=10412), {}, Change.NEW_ID),
        (SHARE, replace(SHARE, security_id=10412, isin=""), {}, Change.NEW_ID),
        (SHARE, replace(SHARE, security_id=10412, symbol="KPL", token="KPL"), {}, Change.NEW_ID),
        (SHARE, replace(SHARE, security_id=10412, isin="INE013201035"), {}, Change.NEW_ID),
        (SHARE, replace(SHARE, symbol="KPL", token="KPL", isin=""), RENAMED, Change.RENAMED),
    ],
)
def test_an_instrument_is_continued_by(former: Terms, present: Terms, context: dict[str, bool], change: Change) -> None:
    found = choose_successor([pair(former, present, **context)])

    assert found == (pair(former, present, **context), change)


@pytest.mark.parametrize(
    ("former", "present", "context"),
    [
        # The id was given to another strike, side, underlying or type.
        (CALL, replace(CALL, strike=Decimal(25550)), {}),
        (CALL, replace(CALL, option_type="PE"), {}),
        (CALL, replace(CALL, symbol="BANKNIFTY"), {}),
        (FUTURE, replace(FUTURE, instrument_type=InstrumentType.FUTIDX), {}),
        # Both names are listed still, or the present one was before: ids exchanged, or used again.
        (FUTURE, replace(FUTURE, symbol="TCS"), {"is_symbol_gone": False, "is_symbol_new": True}),
        (FUTURE, replace(FUTURE, symbol="TCS"), {"is_symbol_gone": True, "is_symbol_new": False}),
        (SHARE, replace(SHARE, symbol="TCS", token="TCS", isin=""), {}),
        # The former contract is listed under another id: its key is another contract's now.
        (FUTURE, replace(FUTURE, expiry=date(2026, 3, 30)), {"is_contract_gone": False}),
        # Another company took the symbol, or the id and a new name.
        (SHARE, replace(SHARE, security_id=10412, isin="INE467B01029"), {}),
        (SHARE, replace(SHARE, symbol="KPL", token="KPL", isin="INE467B01029"), RENAMED),
        # A bond or a second series of the same issuer, and the same symbol at another exchange.
        (SHARE, replace(SHARE, security_id=10412, token="KSHITIJPOL-N2", isin=""), {}),
        (SHARE, replace(SHARE, segment=ExchangeSegment.BSE_EQ, security_id=10412, isin=""), {}),
    ],
)
def test_an_instrument_is_not_continued_by(former: Terms, present: Terms, context: dict[str, bool]) -> None:
    assert choose_successor([pair(former, present, **context)]) is None


def test_the_contract_precedes_the_key() -> None:
    same_key = pair(FUTURE, replace(FUTURE, expiry=date(2026, 3, 30)))
    same_contract = pair(FUTURE, replace(FUTURE, security_id=59489))

    assert choose_successor([same_key, same_contract]) == (same_contract, Change.NEW_ID)


def test_the_isin_precedes_the_symbol() -> None:
    other = pair(SHARE, replace(SHARE, security_id=3, isin="INE013201035"))
    same = pair(SHARE, replace(SHARE, security_id=4, symbol="KPL", token="KPL"))

    assert choose_successor([other, same]) == (same, Change.NEW_ID)


@given(st.permutations([3, 4, 5, 6]))
def test_the_order_of_candidates_does_not_matter(ids: list[int]) -> None:
    found = choose_successor([pair(SHARE, replace(SHARE, security_id=one)) for one in ids])

    assert found is not None
    assert found[0].present.security_id == 3


def test_a_row_stays_only_where_the_key_stays() -> None:
    assert find_change_of_row(pair(CALL, replace(CALL, expiry=date(2026, 2, 16)))) is Change.EXPIRY_MOVED
    assert find_change_of_row(pair(SHARE, replace(SHARE, symbol="KPL", token="KPL"), **RENAMED)) is Change.RENAMED
    assert find_change_of_row(pair(CALL, replace(CALL, security_id=7))) is None


def test_a_series_is_continued_by_the_series_of_most_of_its_options() -> None:
    moved = SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", date(2026, 2, 16))
    other = SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", date(2026, 2, 24))
    successors = [(other, Change.EXPIRY_MOVED), *[(moved, Change.EXPIRY_MOVED)] * 2]

    assert choose_series(successors) == (moved, Change.EXPIRY_MOVED)
    assert choose_series([]) is None
