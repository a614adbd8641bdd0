"""Aliases of underlyings, and exchanges in symbols."""

import pytest

from marketdata.domain.instruments import Exchange
from marketdata.domain.symbols import canonical_symbol, split_exchange


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
    ],
)
def test_aliases_mean_the_symbol_on_the_derivatives(text: str, symbol: str) -> None:
    assert canonical_symbol(text) == symbol


@pytest.mark.parametrize(
    ("text", "exchange", "rest"),
    [("BSE:RELIANCE", Exchange.BSE, "RELIANCE"), ("bse: x", Exchange.BSE, "x"), ("X:Y", None, "X:Y"), ("A", None, "A")],
)
def test_an_exchange_is_split_off_only_if_it_is_one(text: str, exchange: Exchange | None, rest: str) -> None:
    assert split_exchange(text) == (exchange, rest)


def test_unprintable_characters_are_removed_from_a_name() -> None:
    assert split_exchange("REL\x00IANCE\n") == (None, "REL IANCE")
