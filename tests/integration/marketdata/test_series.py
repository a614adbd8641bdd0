"""Underlyings, expiries, series and futures as selectors return them."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from marketdata import selectors
from marketdata.domain.expiries import ExpiryKind
from marketdata.domain.instruments import Exchange, ExchangeSegment, OptionType, SeriesKey
from marketdata.models import Instrument
from marketdata.selectors import NoOptions, NoSpot, PastExpiry, Underlying, UnderlyingKind, UnknownExpiry, UnknownSymbol
from tests.factories import (
    NEAR,
    WEEKLY,
    Listing,
    all_legs,
    make_equity,
    make_future,
    make_index,
    make_listing,
    make_series,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def market_date(settings: Settings) -> None:
    settings.MARKET_DATE = date(2026, 2, 10)


@pytest.fixture
def listing() -> Listing:
    return make_listing()


def test_the_market_date_setting_replaces_today(settings: Settings) -> None:
    assert selectors.market_today() == date(2026, 2, 10)
    settings.MARKET_DATE = None
    assert selectors.market_today() > date(2026, 2, 10)


def test_an_index_is_found_by_symbol_and_alias(listing: Listing) -> None:
    expected = Underlying(
        symbol="NIFTY",
        exchange=Exchange.NSE,
        option_segment=ExchangeSegment.NSE_FNO,
        instrument_id=listing.spots["NIFTY"].pk,
        kind=UnderlyingKind.INDEX,
        derivative_segment=ExchangeSegment.NSE_FNO,
    )

    for name in ("NIFTY", "nifty50", " Nifty 50 ", "NSE:NIFTY"):
        assert selectors.find_underlying(symbol=name) == expected


def test_a_commodity_underlying_has_no_instrument(listing: Listing) -> None:
    found = selectors.find_underlying(symbol="CRUDEOIL")

    assert (found.exchange, found.kind, found.instrument_id) == (Exchange.MCX, UnderlyingKind.COMMODITY, None)
    assert found.option_segment is ExchangeSegment.MCX_COMM


def test_nse_precedes_bse_unless_the_exchange_is_given(listing: Listing) -> None:
    bse = make_equity("RELIANCE", segment=ExchangeSegment.BSE_EQ)
    make_series(bse, segment=ExchangeSegment.BSE_FNO, middle=2_600, step=20, strikes=5)

    assert selectors.find_underlying(symbol="RELIANCE").instrument_id == listing.spots["RELIANCE"].pk
    assert selectors.find_underlying(symbol="RELIANCE", exchange="BSE").instrument_id == bse.pk
    assert selectors.find_underlying(symbol="BSE:RELIANCE").instrument_id == bse.pk


def test_an_underlying_with_options_precedes_a_fund_of_the_same_name(listing: Listing) -> None:
    fund = make_equity("CRUDEOIL")

    assert selectors.find_underlying(symbol="CRUDEOIL").exchange is Exchange.MCX
    assert selectors.get_equity(symbol="CRUDEOIL") == fund


def test_a_share_without_derivatives_is_an_underlying_without_options() -> None:
    share = make_equity("TINY")

    found = selectors.find_underlying(symbol="TINY")

    assert (found.option_segment, found.derivative_segment, found.instrument_id) == (None, None, share.pk)
    assert selectors.list_expiries(underlying=selectors.find_underlying(symbol="TINY"), options_only=False) == []


@pytest.mark.parametrize(
    ("symbol", "exchange"), [("NOPE", None), ("RELIANCE", "MCX"), ("RELIANCE", "NYSE"), ("", None), ("\x00", None)]
)
def test_an_unknown_symbol_is_refused(listing: Listing, symbol: str, exchange: str | None) -> None:
    with pytest.raises(UnknownSymbol) as refusal:
        selectors.find_underlying(symbol=symbol, exchange=exchange)

    assert refusal.value.code == "unknown_symbol"


def test_expiries_are_of_options_or_of_all_contracts(listing: Listing) -> None:
    options = selectors.list_expiries(underlying=selectors.find_underlying(symbol="CRUDEOIL"), options_only=True)
    everything = selectors.list_expiries(underlying=selectors.find_underlying(symbol="CRUDEOIL"), options_only=False)

    assert [(row.expiry, row.kind, row.days_left) for row in options] == [
        (date(2026, 2, 17), ExpiryKind.MONTHLY, 7),
    ]
    assert [(row.expiry, row.kind, row.has_options, row.has_futures) for row in everything] == [
        (date(2026, 2, 17), ExpiryKind.MONTHLY, True, False),
        (date(2026, 2, 19), ExpiryKind.MONTHLY, False, True),
        (date(2026, 3, 19), ExpiryKind.QUARTERLY, False, True),
    ]


def test_expired_contracts_are_left_out_before_the_next_import(listing: Listing, settings: Settings) -> None:
    settings.MARKET_DATE = date(2026, 2, 18)

    assert [
        row.expiry
        for row in selectors.list_expiries(underlying=selectors.find_underlying(symbol="NIFTY"), options_only=True)
    ] == [NEAR]
    assert selectors.find_underlying(symbol="CRUDEOIL").option_segment is None


def test_the_default_series_is_the_nearest(listing: Listing) -> None:
    found = selectors.get_series(underlying=selectors.find_underlying(symbol="NIFTY"), expiry=None)

    assert found.series == SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", WEEKLY)
    assert found.spot_instrument_id == listing.spots["NIFTY"].pk
    assert found.default_width == 101
    assert (found.strikes[0], found.strikes[-1], len(found.strikes)) == (Decimal(22_000), Decimal(28_000), 121)
    assert [(leg.strike, leg.option_type) for leg in all_legs(found)[:3]] == [
        (Decimal(22_000), OptionType.CE),
        (Decimal(22_000), OptionType.PE),
        (Decimal(22_050), OptionType.CE),
    ]
    assert all_legs(found)[0].token == "NIFTY_17FEB2026_22000CE"
    assert all_legs(found)[0].lot_size == 65


def test_stock_and_commodity_chains_are_narrower_and_the_spot_of_a_commodity_is_its_future(listing: Listing) -> None:
    stock = selectors.get_series_by_key(listing.series_of("RELIANCE"))
    crude = selectors.get_series_by_key(listing.series_of("CRUDEOIL"))

    assert (stock.default_width, crude.default_width) == (25, 25)
    assert crude.spot_instrument_id == listing.futures["CRUDEOIL"][0].pk


def test_a_strike_with_one_option_type_has_one_leg(listing: Listing) -> None:
    key = listing.series_of("RELIANCE")
    Instrument.objects.filter(token="RELIANCE_24FEB2026_2600PE").update(is_listed=False)

    found = selectors.get_series_by_key(key)

    assert Decimal(2_600) in found.strikes
    assert [leg.option_type for leg in all_legs(found) if leg.strike == 2_600] == [OptionType.CE]


def test_an_unlisted_expiry_names_the_nearest_ones(listing: Listing) -> None:
    with pytest.raises(UnknownExpiry, match="NIFTY options are not listed for 25FEB2026") as refusal:
        selectors.get_series(underlying=selectors.find_underlying(symbol="NIFTY"), expiry=date(2026, 2, 25))

    assert refusal.value.code == "unknown_expiry"
    assert refusal.value.extra["expiries"] == ["2026-02-17", "2026-02-24"]


def test_a_past_expiry_is_refused_as_expired(listing: Listing) -> None:
    with pytest.raises(PastExpiry, match="expired on 03FEB2026; the nearest listed are 17FEB2026") as refusal:
        selectors.get_series(underlying=selectors.find_underlying(symbol="NIFTY"), expiry=date(2026, 2, 3))

    assert refusal.value.code == "past_expiry"


def test_a_chain_of_an_underlying_without_options_is_refused() -> None:
    make_equity("TINY")

    with pytest.raises(NoOptions):
        selectors.get_series(underlying=selectors.find_underlying(symbol="TINY"), expiry=None)


def test_options_whose_underlying_is_not_listed_are_refused(listing: Listing) -> None:
    Instrument.objects.filter(underlying_symbol="TCS", option_type__in=["CE", "PE"]).update(underlying=None)

    with pytest.raises(NoSpot):
        selectors.get_series_by_key(listing.series_of("TCS"))


def test_futures_are_found_by_expiry_or_the_nearest(listing: Listing) -> None:
    near, far = listing.futures["CRUDEOIL"]

    assert selectors.get_future(symbol="CRUDEOIL") == near
    assert selectors.get_future(symbol="crudeoil", expiry=date(2026, 3, 19)) == far
    with pytest.raises(UnknownExpiry, match="CRUDEOIL futures are not listed for 20MAR2026"):
        selectors.get_future(symbol="CRUDEOIL", expiry=date(2026, 3, 20))


def test_a_symbol_without_futures_has_none(listing: Listing) -> None:
    with pytest.raises(UnknownExpiry, match="No RELIANCE futures are listed"):
        selectors.get_future(symbol="RELIANCE")
    make_equity("TINY")
    with pytest.raises(UnknownSymbol, match="No futures are listed on TINY"):
        selectors.get_future(symbol="TINY")


def test_contracts_of_several_underlyings_need_two_queries(listing: Listing) -> None:
    nifty, crude = (ExchangeSegment.NSE_FNO, "NIFTY"), (ExchangeSegment.MCX_COMM, "CRUDEOIL")

    with CaptureQueriesContext(connection) as queries:
        found = selectors.list_contracts(underlyings=[nifty, crude], from_date=date(2026, 2, 17))

    assert len(queries) == 2
    assert found[nifty].option_expiries == (WEEKLY, NEAR)
    assert [row.token for row in found[crude].futures] == ["CRUDEOIL_19FEB2026_FUT", "CRUDEOIL_19MAR2026_FUT"]


def test_only_tokens_of_the_second_exchange_carry_its_name(listing: Listing) -> None:
    make_index("SENSEX", exchange=Exchange.BSE)

    assert selectors.is_token_prefixed(
        [(Exchange.NSE, "RELIANCE"), (Exchange.BSE, "RELIANCE"), (Exchange.BSE, "SENSEX"), (Exchange.MCX, "CRUDEOIL")]
    ) == [False, True, False, False]


def test_a_currency_has_futures_and_no_options() -> None:
    make_future("USDINR", segment=ExchangeSegment.NSE_CURRENCY, expiry=date(2026, 2, 25))

    found = selectors.find_underlying(symbol="USDINR")

    assert (found.kind, found.option_segment) == (UnderlyingKind.CURRENCY, None)
    assert selectors.get_future(symbol="USDINR").token == "USDINR_25FEB2026_FUT"


def test_a_series_needs_one_query_at_any_size(listing: Listing) -> None:
    for key in (listing.series_of("CRUDEOIL"), listing.series_of("NIFTY")):
        with CaptureQueriesContext(connection) as queries:
            selectors.get_series_by_key(key)
        assert len(queries) == 1
