"""Opening windows: where the price comes from, when they move, what is remembered."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from marketdata import selectors, services
from marketdata.domain.quote_rows import Known
from marketdata.models import AtmCache
from marketdata.selectors import PriceSource, PriceUnknown, SeriesListing
from tests.brokers import Broker, running_broker
from tests.factories import Listing, make_listing, put_prices

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

NOW = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    settings.MARKET_DATE = date(2026, 2, 10)
    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
        yield broker


@pytest.fixture
def market() -> Listing:
    return make_listing()


@pytest.fixture
def reliance(market: Listing) -> SeriesListing:
    return selectors.get_series_by_key(market.series_of("RELIANCE"))


def test_the_live_price_is_asked_first_and_the_broker_not_at_all(reliance: SeriesListing, broker: Broker) -> None:
    put_prices({reliance.spot_instrument_id: 2_611.35}, now=NOW)

    window = services.open_window(listing=reliance, width=25, caller_ltp=Decimal(1), now=NOW)

    assert (window.atm, window.strike_step) == (Decimal(2_620), Decimal(20))
    assert (window.lowest_strike, window.highest_strike) == (Decimal(2_380), Decimal(2_860))
    assert (window.spot.ltp, window.spot.source, window.spot.at) == (Decimal("2611.35"), PriceSource.QUOTE, NOW)
    assert broker.requests == []


def test_without_a_live_price_the_broker_is_asked(reliance: SeriesListing, broker: Broker) -> None:
    broker.answer(200, {"data": {"NSE_EQ": {"2885": {"last_price": 2599.4}}}, "status": "success"})

    window = services.open_window(listing=reliance, width=25, caller_ltp=Decimal(1), now=NOW)

    assert (window.atm, window.spot.source) == (Decimal(2_600), PriceSource.SNAPSHOT)
    assert broker.requests == [("/marketfeed/ltp", {"NSE_EQ": [2885]})]


def test_a_price_from_before_an_outage_is_no_live_price(reliance: SeriesListing, broker: Broker) -> None:
    spot = reliance.spot_instrument_id
    put_prices({spot: 2_611.35}, now=NOW, known=Known.TRADE | Known.EARLIER)
    broker.answer(200, {"data": {"NSE_EQ": {"2885": {"last_price": 2599.4}}}, "status": "success"})

    window = services.open_window(listing=reliance, width=25, caller_ltp=None, now=NOW)

    assert (window.atm, window.spot.source) == (Decimal(2_600), PriceSource.SNAPSHOT)
    assert selectors.list_ltps(instrument_ids=[spot]) == {}
    assert selectors.list_prices(instrument_ids=[spot])[spot].source is PriceSource.EARLIER


def test_where_the_broker_has_none_the_caller_is_believed(reliance: SeriesListing, broker: Broker) -> None:
    broker.answer(429, {"data": {"805": "Too many requests."}, "status": "failed"})

    window = services.open_window(listing=reliance, width=25, caller_ltp=Decimal(2651), now=NOW)

    assert (window.atm, window.spot.source) == (Decimal(2_660), PriceSource.CALLER)


def test_at_last_the_window_stays_where_it_was(reliance: SeriesListing) -> None:
    services.open_window(listing=reliance, width=25, caller_ltp=Decimal(2651), now=NOW)

    window = services.open_window(listing=reliance, width=25, caller_ltp=None, now=NOW + timedelta(hours=1))

    assert (window.atm, window.spot.source, window.calculated_at) == (Decimal(2_660), PriceSource.CACHE, NOW)


def test_a_price_that_nobody_knows_is_said_to_be(reliance: SeriesListing) -> None:
    with pytest.raises(PriceUnknown, match="no price for RELIANCE") as refusal:
        services.open_window(listing=reliance, width=25, caller_ltp=None, now=NOW)

    assert refusal.value.code == "no_price"
    assert not AtmCache.objects.exists()


def test_a_window_stays_until_the_underlying_has_moved_a_strike_step(reliance: SeriesListing) -> None:
    spot = reliance.spot_instrument_id

    def atm_at(price: float, *, seconds: int) -> Decimal:
        put_prices({spot: price}, now=NOW)
        now = NOW + timedelta(seconds=seconds)
        return services.open_window(listing=reliance, width=25, caller_ltp=None, now=now).atm

    assert atm_at(2_609.95, seconds=0) == 2_600
    assert atm_at(2_629.90, seconds=1) == 2_600
    assert atm_at(2_629.95, seconds=2) == 2_620
    assert AtmCache.objects.get().calculated_at == NOW + timedelta(seconds=2)


def test_a_window_is_calculated_again_after_five_minutes_or_when_opened_anew(reliance: SeriesListing) -> None:
    spot = reliance.spot_instrument_id
    put_prices({spot: 2_609.95}, now=NOW)
    services.open_window(listing=reliance, width=25, caller_ltp=None, now=NOW)
    put_prices({spot: 2_615}, now=NOW)

    at_five = services.open_window(listing=reliance, width=25, caller_ltp=None, now=NOW + timedelta(minutes=5))
    anew = services.open_window(
        listing=reliance, width=25, caller_ltp=None, now=NOW + timedelta(minutes=5), opened_anew=True
    )
    later = services.open_window(listing=reliance, width=25, caller_ltp=None, now=NOW + timedelta(minutes=11))

    assert (at_five.atm, anew.atm) == (Decimal(2_600), Decimal(2_620))
    assert later.calculated_at == NOW + timedelta(minutes=11)


def test_windows_of_different_widths_are_different_windows(reliance: SeriesListing) -> None:
    for width in (5, 25):
        services.open_window(listing=reliance, width=width, caller_ltp=Decimal(2_600), now=NOW)

    assert set(AtmCache.objects.values_list("width", "lowest_strike", "highest_strike")) == {
        (5, Decimal(2_560), Decimal(2_640)),
        (25, Decimal(2_360), Decimal(2_840)),
    }


def test_a_look_forgets_what_it_calculated_from_the_callers_price(reliance: SeriesListing) -> None:
    window = services.open_window(listing=reliance, width=25, caller_ltp=Decimal(2_600), now=NOW, is_look=True)

    assert window.atm == 2_600
    assert not AtmCache.objects.exists()


def test_the_legs_of_a_window_are_both_sides_of_its_strikes(market: Listing) -> None:
    nifty = selectors.get_series_by_key(market.series_of("NIFTY"))
    put_prices({nifty.spot_instrument_id: 25_012.35}, now=NOW)

    window = services.open_window(listing=nifty, width=101, caller_ltp=None, now=NOW)
    legs = services.legs_in_window(nifty, window)

    assert len(legs) == 202
    assert (legs[0].token, legs[-1].token) == ("NIFTY_17FEB2026_22500CE", "NIFTY_17FEB2026_27500PE")
