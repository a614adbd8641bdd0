"""Fictional companies have unique names and symbols, and constant unique ids."""

from simulator.fictional import make_fictional_stocks
from simulator.underlyings import Stock, read_stocks

HIGHEST_REAL_NSE_ID = 761_655
HIGHEST_REAL_BSE_ID = 977_533
"""On 10 Feb 2026."""


def test_a_company_is_always_the_same() -> None:
    stocks = {stock.symbol: stock for stock in make_fictional_stocks()}

    assert stocks["ARAVIKATEX"] == Stock(
        symbol="ARAVIKATEX",
        nse_id=980_001,
        nse_tick=0.10,
        bse_id=990_001,
        bse_group="A",
        bse_tick=0.05,
        name="Aravika Textiles",
        company="ARAVIKA TEXTILES LTD",
    )
    assert (stocks["BHOOMIKFRG"].nse_id, stocks["BHOOMIKFRG"].bse_id) == (981_600, 991_600)


def test_no_two_companies_share_a_name_or_a_symbol_and_none_is_a_real_one() -> None:
    stocks = (*read_stocks(), *make_fictional_stocks())

    assert len(stocks) == 1_800
    assert len({stock.symbol for stock in stocks}) == 1_800
    assert len({stock.name for stock in stocks}) == 1_800
    assert all(len(stock.symbol) <= 10 and stock.symbol.isalpha() for stock in make_fictional_stocks())


def test_made_up_ids_are_unique_and_above_all_real_ones() -> None:
    stocks = make_fictional_stocks()
    nse_ids = [stock.nse_id for stock in stocks if stock.nse_id is not None]
    bse_ids = [stock.bse_id for stock in stocks if stock.bse_id is not None]

    assert (len(nse_ids), len(set(nse_ids))) == (1_000, 1_000)
    assert (len(bse_ids), len(set(bse_ids))) == (1_600, 1_600)
    assert min(nse_ids) > HIGHEST_REAL_NSE_ID
    assert min(bse_ids) > HIGHEST_REAL_BSE_ID


def test_small_companies_are_on_bse_alone_in_its_groups_for_them() -> None:
    stocks = make_fictional_stocks()

    assert {stock.bse_group for stock in stocks if stock.nse_id is None} == {"X", "XT"}
    assert {stock.bse_group for stock in stocks if stock.nse_id is not None} == {"A", "B"}
    assert all(stock.nse_tick > 0 for stock in stocks if stock.nse_id is not None)
    assert all(stock.lot == 0 and stock.level is None for stock in stocks)
