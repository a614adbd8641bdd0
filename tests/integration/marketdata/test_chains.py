"""Opening chains: the source of the price, the validity of the stored window, and the stored rows."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from marketdata import selectors, services
from marketdata.domain.chain import WindowKey
from marketdata.domain.quote_rows import Known
from marketdata.models import AtmCache, Instrument
from marketdata.selectors import Price, PriceSource, PriceUnknown, SeriesListing
from marketdata.services import Chain
from tests.broker_answers import ODD_PRICES
from tests.brokers import Broker, running_broker
from tests.factories import Listing, make_listing, put_prices

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

NOW = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    settings.MARKET_DATE = date(2026, 2, 10)
    settings.DHAN_QUOTE_INTERVAL_MS = 1
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


@pytest.fixture
def spot(reliance: SeriesListing) -> int:
    return reliance.spot_instrument_id


def open_chain(
    listing: SeriesListing, *, width: int = 25, caller_ltp: Decimal | None = None, now: datetime = NOW
) -> Chain:
    return services.open_chain(listing=listing, width=width, caller_ltp=caller_ltp, now=now)


def test_a_live_price_is_used_before_any_request_to_the_broker(reliance: SeriesListing, broker: Broker) -> None:
    put_prices({reliance.spot_instrument_id: 2_611.35}, now=NOW)

    chain = open_chain(reliance, caller_ltp=Decimal(1))

    assert (chain.window.atm, chain.window.strike_step) == (Decimal(2_620), Decimal(20))
    assert (chain.window.lowest_strike, chain.window.highest_strike) == (Decimal(2_380), Decimal(2_860))
    assert chain.spot == Price(Decimal("2611.35"), PriceSource.QUOTE, NOW)
    assert broker.requests == []


def test_a_live_price_needs_no_query(
    reliance: SeriesListing, spot: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    put_prices({spot: 2_611.35}, now=NOW)

    with django_assert_num_queries(0):
        open_chain(reliance)


def test_without_a_live_price_the_broker_is_requested(reliance: SeriesListing, broker: Broker) -> None:
    broker.answer(200, {"data": {"NSE_EQ": {"2885": {"last_price": 2599.4}}}, "status": "success"})

    chain = open_chain(reliance, caller_ltp=Decimal(1))

    assert (chain.window.atm, chain.spot.source) == (Decimal(2_600), PriceSource.SNAPSHOT)
    (path, keys), *others = broker.requests
    assert (path, keys["NSE_EQ"][0], others) == ("/marketfeed/ltp", 2885, [])


def test_a_price_from_before_an_outage_is_not_live(reliance: SeriesListing, spot: int, broker: Broker) -> None:
    put_prices({spot: 2_611.35}, now=NOW, known=Known.TRADE | Known.EARLIER)
    broker.answer(200, {"data": {"NSE_EQ": {"2885": {"last_price": 2599.4}}}, "status": "success"})

    chain = open_chain(reliance)

    assert (chain.window.atm, chain.spot.source) == (Decimal(2_600), PriceSource.SNAPSHOT)
    assert selectors.list_ltps(instrument_ids=[spot]) == {}
    assert selectors.list_prices(instrument_ids=[spot])[spot].source is PriceSource.EARLIER


def test_without_a_price_of_the_broker_the_price_of_the_caller_is_used(reliance: SeriesListing, broker: Broker) -> None:
    broker.answer(429, {"data": {"805": "Too many requests."}, "status": "failed"})

    chain = open_chain(reliance, caller_ltp=Decimal(2651))

    assert (chain.window.atm, chain.spot.source) == (Decimal(2_660), PriceSource.CALLER)


@pytest.mark.parametrize("name", ODD_PRICES)
def test_with_an_odd_price_of_the_broker_the_price_of_the_caller_is_used(
    reliance: SeriesListing, broker: Broker, name: str
) -> None:
    broker.answer(200, {"data": {"NSE_EQ": {"2885": {"last_price": ODD_PRICES[name][0]}}}, "status": "success"})

    chain = open_chain(reliance, caller_ltp=Decimal(2651))

    assert (chain.window.atm, chain.spot.source) == (Decimal(2_660), PriceSource.CALLER)


@pytest.mark.parametrize("data", [None, [], {"NSE_EQ": None}, {"NSE_EQ": {"2885": None}}, {"NSE_XX": {"2885": {}}}])
def test_with_an_unreadable_answer_of_the_broker_the_price_of_the_caller_is_used(
    reliance: SeriesListing, broker: Broker, data: object
) -> None:
    broker.answer(200, {"data": data, "status": "success"})

    assert open_chain(reliance, caller_ltp=Decimal(2651)).spot.source is PriceSource.CALLER


def test_without_any_other_price_the_stored_window_is_used_unchanged(reliance: SeriesListing) -> None:
    stored = open_chain(reliance, caller_ltp=Decimal(2651))
    services.store_windows([stored])

    chain = open_chain(reliance, now=NOW + timedelta(hours=1))

    assert chain.spot == Price(Decimal(2651), PriceSource.CACHE, NOW)
    assert services.with_current_window(chain, stored.window, is_opening=True).window == stored.window


def test_a_recent_window_saves_the_request_to_the_broker(reliance: SeriesListing, broker: Broker) -> None:
    services.store_windows([open_chain(reliance, caller_ltp=Decimal(2651))])
    broker.requests.clear()

    sources = [open_chain(reliance, now=NOW + timedelta(minutes=minutes)).spot.source for minutes in (5, 6)]

    assert sources == [PriceSource.CACHE, PriceSource.CACHE]
    assert len(broker.requests) == 1


def test_a_chain_without_any_price_is_refused_with_no_price(reliance: SeriesListing) -> None:
    with pytest.raises(PriceUnknown, match="no price for RELIANCE") as refusal:
        open_chain(reliance)

    assert refusal.value.code == "no_price"


def test_opening_a_chain_stores_nothing(reliance: SeriesListing, spot: int) -> None:
    put_prices({spot: 2_609.95}, now=NOW)

    open_chain(reliance)

    assert not AtmCache.objects.exists()


@pytest.mark.parametrize(
    ("price", "age", "is_opening", "atm"),
    [
        (2_629.90, timedelta(0), False, 2_600),  # less than a strike step of 20 from 2,609.95
        (2_629.95, timedelta(0), False, 2_620),  # a whole step
        (2_615.0, timedelta(minutes=5), False, 2_600),
        (2_615.0, timedelta(minutes=5, microseconds=1), False, 2_620),  # older than five minutes
        (2_615.0, timedelta(0), True, 2_620),  # opened
        (2_700.0, timedelta(seconds=-1), False, 2_600),  # calculated before the stored one
        (2_700.0, timedelta(seconds=-1), True, 2_600),
    ],
)
def test_a_stored_window_is_valid_for_5_minutes_within_a_step_until_it_is_opened(
    reliance: SeriesListing, spot: int, price: float, age: timedelta, is_opening: bool, atm: int
) -> None:
    put_prices({spot: 2_609.95}, now=NOW)
    stored = open_chain(reliance).window
    put_prices({spot: price}, now=NOW)

    chain = services.with_current_window(open_chain(reliance, now=NOW + age), stored, is_opening=is_opening)

    assert (stored.atm, chain.window.atm) == (Decimal(2_600), Decimal(atm))


def test_a_window_whose_atm_left_the_listing_is_replaced(market: Listing, reliance: SeriesListing, spot: int) -> None:
    put_prices({spot: 2_604.0}, now=NOW)
    stored = open_chain(reliance).window
    Instrument.objects.filter(underlying_symbol="RELIANCE", strike=2_600).update(is_listed=False)
    listing = selectors.get_series_by_key(market.series_of("RELIANCE"))

    chain = services.with_current_window(open_chain(listing), stored)

    assert chain.window.atm == 2_620


def test_each_width_of_a_series_has_its_window(reliance: SeriesListing) -> None:
    for width in (5, 25):
        services.store_windows([open_chain(reliance, width=width, caller_ltp=Decimal(2_600))])

    found = selectors.list_windows(keys=[WindowKey(reliance.series, width) for width in (5, 25, 101)])

    assert {key.width: (window.lowest_strike, window.highest_strike) for key, window in found.items()} == {
        5: (Decimal(2_560), Decimal(2_640)),
        25: (Decimal(2_360), Decimal(2_840)),
    }


def test_a_stored_window_is_read_unchanged(reliance: SeriesListing, spot: int) -> None:
    put_prices({spot: 2_611.35}, now=NOW)
    chain = open_chain(reliance)

    services.store_windows([chain])
    services.store_first_window(open_chain(reliance, width=25, now=NOW + timedelta(seconds=1)))

    assert selectors.find_window(key=chain.key) == chain.window


def test_a_window_has_a_call_and_a_put_of_each_strike(market: Listing) -> None:
    nifty = selectors.get_series_by_key(market.series_of("NIFTY"))
    put_prices({nifty.spot_instrument_id: 25_012.35}, now=NOW)

    chain = open_chain(nifty, width=101)

    assert len(chain.legs) == 202
    assert (chain.legs[0].token, chain.legs[-1].token) == ("NIFTY_17FEB2026_22500CE", "NIFTY_17FEB2026_27500PE")
    assert chain.instrument_ids == tuple(leg.instrument_id for leg in chain.legs)
