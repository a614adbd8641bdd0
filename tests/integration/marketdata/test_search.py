"""Search over a small market: ranking, offers, contracts, and a bounded number of queries."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from marketdata import selectors
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.search import QueryTooLong
from marketdata.models import Instrument, InstrumentImport
from marketdata.selectors import Offer
from tests.factories import (
    NEAR,
    NOW,
    WEEKLY,
    Listing,
    make_equities,
    make_equity,
    make_future,
    make_index,
    make_listing,
    make_series,
    put_prices,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]


@pytest.fixture(autouse=True)
def market_date(settings: Settings) -> None:
    settings.MARKET_DATE = date(2026, 2, 10)


@pytest.fixture
def market() -> Listing:
    listing = make_listing()
    make_future("RELIANCE", segment=ExchangeSegment.NSE_FNO, expiry=NEAR, underlying=listing.spots["RELIANCE"])
    make_future("NIFTY", segment=ExchangeSegment.NSE_FNO, expiry=NEAR, underlying=listing.spots["NIFTY"])
    return listing


def tokens(query: str, *, limit: int = 20) -> list[str]:
    return [hit.token for hit in selectors.search_instruments(query=query, limit=limit)]


def test_the_beginning_of_a_symbol_finds_the_underlying_before_its_derivatives(market: Listing) -> None:
    make_equity("RELAXO")
    make_equity("AREL")

    assert tokens("rel") == ["RELIANCE", "RELAXO", "RELIANCE_24FEB2026_FUT"]


def test_the_exact_symbol_comes_first(market: Listing) -> None:
    make_index("NIFTYIT", security_id=29)
    make_equity("ANIFTY")

    assert tokens("nifty")[:2] == ["NIFTY", "NIFTYIT"]


def test_words_of_the_name_are_found_in_any_order(market: Listing) -> None:
    Instrument.objects.filter(token="RELIANCE").update(display_name="Reliance Industries Limited")

    assert tokens("indus relia") == ["RELIANCE"]


def test_an_underlying_lists_the_items_that_can_be_added_with_the_nearest_expiries(market: Listing) -> None:
    reliance = selectors.search_instruments(query="reliance")[0]
    nifty = selectors.search_instruments(query="nifty")[0]
    crude = selectors.search_instruments(query="crudeoil")[0]
    share = make_equity("TINY")

    assert reliance.offers == (Offer("EQUITY"), Offer("STOCK_OPTION", (NEAR,)), Offer("FUTURE", (NEAR,)))
    assert nifty.offers == (Offer("INDEX_OPTION", (WEEKLY, NEAR)), Offer("FUTURE", (NEAR,)), Offer("INDEX"))
    assert crude.token == "CRUDEOIL_19FEB2026_FUT"
    assert crude.offers == (
        Offer("FUTURE", (date(2026, 2, 19), date(2026, 3, 19))),
        Offer("COMMODITY_OPTION", (date(2026, 2, 17),)),
    )
    assert selectors.search_instruments(query="tiny")[0].offers == (Offer("EQUITY"),)
    assert selectors.search_instruments(query="tiny")[0].instrument_id == share.pk


def test_a_strike_and_an_option_type_find_contracts_nearest_expiry_first(market: Listing) -> None:
    assert tokens("nifty 25000 ce") == ["NIFTY_17FEB2026_25000CE", "NIFTY_24FEB2026_25000CE"]


def test_an_expiry_limits_the_contracts_and_the_nearest_date_comes_first(market: Listing) -> None:
    assert tokens("nifty 25000 ce 24 feb") == ["NIFTY_24FEB2026_25000CE", "NIFTY_17FEB2026_25000CE"]
    assert tokens("nifty 25000 ce 31 mar") == []


def test_an_incomplete_strike_finds_the_strikes_with_this_beginning(market: Listing) -> None:
    assert tokens("nifty 2505", limit=2) == ["NIFTY_17FEB2026_25050CE", "NIFTY_17FEB2026_25050PE"]


def test_without_a_strike_contracts_near_the_money_come_first(market: Listing) -> None:
    put_prices({market.spots["RELIANCE"].pk: 2_718.5})

    assert tokens("reliance pe", limit=3) == [
        "RELIANCE_24FEB2026_2720PE",
        "RELIANCE_24FEB2026_2700PE",
        "RELIANCE_24FEB2026_2740PE",
    ]


def test_without_a_price_the_middle_strikes_come_first(market: Listing) -> None:
    assert tokens("reliance pe", limit=1) == ["RELIANCE_24FEB2026_2600PE"]


def test_futures_are_found_by_the_word_fut(market: Listing) -> None:
    assert tokens("nifty fut") == ["NIFTY_24FEB2026_FUT"]
    assert tokens("crudeoil fut") == ["CRUDEOIL_19FEB2026_FUT", "CRUDEOIL_19MAR2026_FUT"]
    assert tokens("crudeoil mar fut") == ["CRUDEOIL_19MAR2026_FUT"]


def test_a_token_of_bse_carries_its_name_when_nse_lists_the_symbol(market: Listing) -> None:
    bse = make_equity("RELIANCE", segment=ExchangeSegment.BSE_EQ)
    make_series(bse, segment=ExchangeSegment.BSE_FNO, middle=2_600, step=20, strikes=5)

    assert tokens("reliance")[:2] == ["RELIANCE", "BSE:RELIANCE"]
    assert tokens("bse:rel") == ["BSE:RELIANCE"]


def test_expired_and_unlisted_instruments_are_not_found(market: Listing, settings: Settings) -> None:
    Instrument.objects.filter(token="RELIANCE").update(is_listed=False)
    settings.MARKET_DATE = date(2026, 2, 20)

    assert tokens("reliance") == ["RELIANCE_24FEB2026_FUT"]
    assert tokens("crudeoil") == ["CRUDEOIL_19MAR2026_FUT"]


@pytest.mark.parametrize("query", ["", "   ", "%", "_", "zzz", "'", "\\", "\x00"])
def test_a_query_without_a_match_finds_nothing(market: Listing, query: str) -> None:
    assert tokens(query) == []


def test_a_query_that_is_too_long_is_refused(market: Listing) -> None:
    with pytest.raises(QueryTooLong):
        tokens("x" * 65)


def test_a_search_runs_as_many_queries_for_many_hits_as_for_few(market: Listing) -> None:
    make_equities(40, prefix="MANY")

    with CaptureQueriesContext(connection) as few:
        assert len(tokens("tcs")) == 1
    with CaptureQueriesContext(connection) as many:
        assert len(tokens("many", limit=40)) == 40

    assert len(many) == len(few) == 3  # calendar, names, offers


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        ("nifty 25000 ce", 3),  # calendar, symbol, contracts
        ("nifty fut", 3),
        ("nifty 2505", 5),  # calendar, symbol, that strike, strikes with that beginning, names
        ("rel 2600 ce", 4),  # calendar, symbol, names, contracts
        ("zzz", 2),  # calendar, names: too short for a correction
    ],
)
def test_a_search_of_contracts_runs_few_statements(market: Listing, query: str, statements: int) -> None:
    with CaptureQueriesContext(connection) as captured:
        tokens(query)

    assert len(captured) == statements


def test_the_beginning_of_a_symbol_finds_contracts(market: Listing) -> None:
    assert tokens("rel 2600 ce") == ["RELIANCE_24FEB2026_2600CE"]


def test_the_beginning_of_a_strike_finds_no_strike_with_other_digits(market: Listing) -> None:
    spot = make_equity("PENNY")
    make_future("PENNY", segment=ExchangeSegment.NSE_FNO, expiry=NEAR, underlying=spot)
    make_series(spot, expiry=NEAR, middle=25, step=5, strikes=7)

    assert {token.rpartition("_")[2] for token in tokens("penny 2 ce")} == {"20CE", "25CE"}


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("NIFTY2621725000CE", "NIFTY_17FEB2026_25000CE"),
        ("NIFTY26FEB25000CE", "NIFTY_24FEB2026_25000CE"),
        ("NIFTY24FEB2625000PE", "NIFTY_24FEB2026_25000PE"),
        ("NIFTY17FEB25000CE", "NIFTY_17FEB2026_25000CE"),
        ("NIFTY-Feb2026-25000-CE", "NIFTY_17FEB2026_25000CE"),
        ("CRUDEOIL2!", "CRUDEOIL_19MAR2026_FUT"),
        ("RELIANCE.NS", "RELIANCE"),
        ("NSE_EQ:2885", "RELIANCE"),
        ("2885", "RELIANCE"),
        ("25k nifty pe", "NIFTY_17FEB2026_25000PE"),
        ("crude oil", "CRUDEOIL_19FEB2026_FUT"),
        ("relaince", "RELIANCE"),
        ("nfity 25000 ce", "NIFTY_17FEB2026_25000CE"),
        ("crud oil fut", "CRUDEOIL_19FEB2026_FUT"),
        ("NFITY26FEB25000CE", "NIFTY_24FEB2026_25000CE"),
    ],
)
def test_forms_of_other_platforms_and_misspelled_names_are_found(market: Listing, query: str, first: str) -> None:
    assert tokens(query)[0] == first


@pytest.mark.parametrize("query", ["NIFTY2620325000CE", "NIFTY26MAR25000CE", "NIFTY17FEB26123CE", "CRUDEOIL3!"])
def test_a_trading_symbol_finds_its_own_contract_or_none(market: Listing, query: str) -> None:
    assert tokens(query) == []


def test_a_dated_trading_symbol_is_not_answered_with_another_expiry(market: Listing) -> None:
    assert tokens("NIFTY17FEB25000CE") == ["NIFTY_17FEB2026_25000CE"]
    assert tokens("NIFTY26FEB25000CE") == ["NIFTY_24FEB2026_25000CE"]


def test_a_name_that_is_found_as_written_is_not_corrected(market: Listing) -> None:
    make_equity("RELIANC")

    assert tokens("relianc") == ["RELIANC", "RELIANCE", "RELIANCE_24FEB2026_FUT"]
    assert tokens("relianec")[0] in {"RELIANC", "RELIANCE"}


def test_the_second_series_of_a_share_is_not_its_key(market: Listing) -> None:
    second = make_equity("RELIANCE", security_id=99_001)
    Instrument.objects.filter(pk=second.pk).update(token="RELIANCE-N2", series="N2")

    assert tokens("RELIANCE-N2")[0] == "RELIANCE-N2"
    assert tokens("NSE_EQ:99001") == ["RELIANCE-N2"]
    with pytest.raises(selectors.UnknownSymbol, match="RELIANCE-N2 is not the main series"):
        selectors.resolve_symbol(symbol="NSE_EQ:99001")


def test_corrections_know_what_the_last_import_listed(market: Listing) -> None:
    InstrumentImport.objects.create(
        source="first", as_of=date(2026, 2, 10), started_at=NOW, finished_at=NOW, rows_kept=1
    )
    assert tokens("zomtao") == []

    make_equity("ZOMATO")
    InstrumentImport.objects.create(
        source="second", as_of=date(2026, 2, 10), started_at=NOW, finished_at=NOW + timedelta(days=1), rows_kept=2
    )

    assert tokens("zomtao") == ["ZOMATO"]
