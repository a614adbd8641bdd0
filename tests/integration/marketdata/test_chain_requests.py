"""Requests of the broker's option chains: which series, how often, and what becomes of odd answers."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.conf import settings as django_settings
from pytest_django import DjangoAssertNumQueries, Settings

from marketdata import selectors, services
from marketdata.domain.broker_chains import REFRESH
from marketdata.domain.instruments import ExchangeSegment as S
from marketdata.domain.instruments import SeriesKey
from marketdata.domain.quote_state import QuoteState
from marketdata.domain.sessions import IST
from marketdata.models import Instrument
from marketdata.redis_client import pooled_client
from marketdata.selectors import PriceSource
from marketdata.services import chain_requests
from tests.broker_chains import chain_of
from tests.brokers import Broker, running_broker
from tests.factories import Listing, make_listing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

TODAY = date(2026, 2, 10)  # Tuesday


def today(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 2, 10, hour, minute, tzinfo=IST)


OPEN = today(12)


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    settings.MARKET_DATE = TODAY
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        yield broker


@pytest.fixture
def listing() -> Listing:
    return make_listing()


def free_turns() -> None:
    """Let the next request come at once, as if seconds had passed."""
    client = pooled_client(django_settings.REDIS_URL)
    for name in ("chain_turn*", "chain_pause"):
        for key in client.scan_iter(f"{django_settings.REDIS_PREFIX}:{name}"):
            client.delete(key)


def request(*series: SeriesKey, now: datetime = OPEN) -> int:
    """Request as a run does whose turn has come."""
    free_turns()
    return services.request_chains(series=series, now=now)


def open_chain(series: SeriesKey, *, now: datetime = OPEN) -> Any:
    """Return the broker's chain as a trader gets it who opens the series."""
    return services.current_chain(listing=selectors.get_series_by_key(key=series), now=now)


def read(series: SeriesKey, *, now: datetime = OPEN) -> Any:
    return selectors.list_broker_chains(series=[series], now=now).get(series)


def test_the_chain_of_a_series_is_stored_by_instrument(broker: Broker, listing: Listing) -> None:
    series = listing.series_of("NIFTY")
    broker.answer(200, chain_of(series, oi=650, previous_oi=1_300, volume=65, top_bid_price=20.4))

    assert request(series) == 1

    path, body = broker.requests[0]
    assert path == "/optionchain"
    spot = listing.spots["NIFTY"]
    assert body == {
        "UnderlyingScrip": spot.security_id,
        "UnderlyingSeg": "IDX_I",
        "Expiry": series.expiry.isoformat(),
    }
    assert broker.headers[0]["client-id"] == "1000000001"
    chain = read(series)
    assert chain.received_at == OPEN
    listed = Instrument.objects.filter(underlying_symbol="NIFTY", expiry=series.expiry, strike__isnull=False)
    assert set(chain.rows["instrument_id"].tolist()) == set(listed.values_list("pk", flat=True))
    assert set(chain.rows["oi"].tolist()) == {650}
    assert set(chain.rows["previous_oi"].tolist()) == {1_300}
    assert set(chain.rows["bid"].tolist()) == {20.4}
    assert np.isnan(chain.rows["ask"]).all()


def test_options_on_a_future_are_requested_by_it(broker: Broker, listing: Listing) -> None:
    series = listing.series_of("CRUDEOIL")
    broker.answer(200, chain_of(series))

    assert request(series) == 1

    near = listing.futures["CRUDEOIL"][0]
    assert (broker.requests[0][1]["UnderlyingScrip"], broker.requests[0][1]["UnderlyingSeg"]) == (
        near.security_id,
        "MCX_COMM",
    )


def test_a_chain_is_requested_again_when_it_is_old_and_the_oldest_first(broker: Broker, listing: Listing) -> None:
    nifty, tcs = listing.series_of("NIFTY"), listing.series_of("TCS")
    broker.answer(200, chain_of(nifty))
    assert request(nifty) == 1
    assert request(nifty, tcs, now=OPEN + timedelta(minutes=1)) == 1

    assert request(nifty, tcs, now=OPEN + timedelta(minutes=2)) == 0
    assert request(nifty, tcs, now=OPEN + REFRESH) == 1
    assert request(nifty, tcs, now=OPEN + REFRESH + timedelta(minutes=2)) == 1

    asked = [body["UnderlyingScrip"] for _, body in broker.requests]
    assert asked == [listing.spots[symbol].security_id for symbol in ("NIFTY", "TCS", "NIFTY", "TCS")]


def test_a_run_requests_a_few_and_two_runs_do_not_overlap(broker: Broker, listing: Listing) -> None:
    broker.answer(200, chain_of(listing.series_of("NIFTY")))
    assert len(listing.series) > chain_requests.MOST_A_RUN

    assert request(*listing.series) == chain_requests.MOST_A_RUN
    assert services.request_chains(series=listing.series, now=OPEN) == 0

    assert len(broker.requests) == chain_requests.MOST_A_RUN


def test_a_chain_of_yesterday_is_no_chain_of_today(broker: Broker, listing: Listing) -> None:
    series = listing.series_of("NIFTY")
    broker.answer(200, chain_of(series, previous_oi=1_300))
    request(series, now=today(15) - timedelta(days=1))

    assert read(series, now=today(9)) is not None
    assert read(series, now=today(9, 16)) is None
    assert request(series, now=today(9, 16)) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"errorType": "Input_Exception", "errorCode": "DH-905", "errorMessage": "bad values"}),
        (200, {"status": "success"}),
        (200, {"data": {"oc": "none"}, "status": "success"}),
        (200, b"not json"),
    ],
)
def test_a_series_without_a_readable_chain_waits_and_holds_back_no_other(
    broker: Broker, listing: Listing, status: int, body: object
) -> None:
    nifty, tcs = listing.series_of("NIFTY"), listing.series_of("TCS")
    broker.answer(status, body)
    assert request(nifty) == 0
    broker.answer(200, chain_of(tcs))

    assert request(nifty, tcs, now=OPEN + timedelta(minutes=1)) == 1
    assert read(tcs) is not None
    assert len(broker.requests) == 2
    # After its wait it is requested again.
    assert request(nifty, now=OPEN + chain_requests.FIRST_WAIT) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"data": {"805": "Too many requests."}, "status": "failed"}),
        (429, {"data": {"805": "Too many requests."}, "status": "failed"}),
        (401, {"errorType": "Invalid_Authentication", "errorCode": "DH-901", "errorMessage": "expired"}),
    ],
)
def test_a_broker_that_is_not_available_is_left_alone_for_a_while(
    broker: Broker, listing: Listing, status: int, body: object
) -> None:
    broker.answer(status, body)
    assert request(*listing.series) == 0
    assert len(broker.requests) == 1

    broker.answer(200, chain_of(listing.series_of("NIFTY")))
    assert services.request_chains(series=listing.series, now=OPEN) == 0
    assert len(broker.requests) == 1
    # No series waits for the fault of the account.
    assert request(*listing.series) == chain_requests.MOST_A_RUN


def test_a_series_that_is_not_listed_is_not_requested_and_takes_no_turn_of_others(
    broker: Broker, listing: Listing
) -> None:
    nifty = listing.series_of("NIFTY")
    gone = [SeriesKey(S.NSE_FNO, name, nifty.expiry) for name in ("GONE1", "GONE2", "GONE3")]
    broker.answer(200, chain_of(nifty))

    assert request(*gone, nifty) == 0
    assert request(*gone, nifty) == 1
    assert len(broker.requests) == 1


def test_without_credentials_nothing_is_requested(broker: Broker, listing: Listing, settings: Settings) -> None:
    settings.DHAN_CLIENT_ID = settings.DHAN_ACCESS_TOKEN = ""

    assert request(*listing.series) == 0
    assert broker.requests == []


def test_a_held_chain_is_read_again_only_when_there_is_a_newer_one(broker: Broker, listing: Listing) -> None:
    series = listing.series_of("NIFTY")
    broker.answer(200, chain_of(series, oi=650))
    request(series)
    held = selectors.list_broker_chains(series=[series], now=OPEN)

    again = selectors.list_broker_chains(series=[series], now=OPEN, held=held)
    assert again[series] is held[series]

    request(series, now=OPEN + REFRESH)
    newer = selectors.list_broker_chains(series=[series], now=OPEN + REFRESH, held=held)
    assert newer[series].received_at == OPEN + REFRESH


def test_a_trader_gets_a_chain_at_once_and_the_next_one_the_same(broker: Broker, listing: Listing) -> None:
    series = listing.series_of("TCS")
    broker.answer(200, chain_of(series))

    first = open_chain(series)
    again = open_chain(series, now=OPEN + timedelta(seconds=10))

    assert first.received_at == again.received_at == OPEN
    assert len(broker.requests) == 1


def test_a_chain_that_is_no_longer_fresh_is_requested_again(broker: Broker, listing: Listing) -> None:
    series = listing.series_of("TCS")
    broker.answer(200, chain_of(series))
    open_chain(series)
    free_turns()

    later = OPEN + chain_requests.FRESH

    assert open_chain(series, now=later).received_at == later
    # A second caller within three seconds gets the one before.
    assert open_chain(series, now=later + chain_requests.FRESH).received_at == later
    assert len(broker.requests) == 2


def test_traders_together_request_a_few_chains_in_a_second(broker: Broker, listing: Listing) -> None:
    broker.answer(200, chain_of(listing.series_of("TCS")))

    opened = [open_chain(series) for series in listing.series[: chain_requests.MOST_A_SECOND + 1]]

    assert len(broker.requests) == chain_requests.MOST_A_SECOND
    assert opened[-1] is None


def test_closing_prices_are_requested_once(broker: Broker, listing: Listing) -> None:
    series, evening = listing.series_of("TCS"), today(18)
    broker.answer(200, chain_of(series))

    assert open_chain(series, now=evening).received_at == evening
    assert open_chain(series, now=evening + timedelta(hours=3)).received_at == evening
    assert len(broker.requests) == 1


def test_a_fresh_chain_from_before_the_close_is_replaced_by_the_closing_prices(
    broker: Broker, listing: Listing
) -> None:
    series, close = listing.series_of("TCS"), today(15, 30)
    broker.answer(200, chain_of(series))
    open_chain(series, now=close - timedelta(seconds=2))
    free_turns()

    after = close + timedelta(seconds=2)

    assert open_chain(series, now=after).received_at == after


def test_the_calendar_is_read_once_for_a_chain_that_is_kept(
    broker: Broker, listing: Listing, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    series = listing.series_of("TCS")
    broker.answer(200, chain_of(series))
    open_chain(series, now=today(18))
    opened = selectors.get_series_by_key(key=series)

    with django_assert_num_queries(1):
        kept = services.current_chain(listing=opened, now=today(19))

    assert kept is not None
    assert kept.received_at == today(18)


def test_a_trader_does_not_wait_for_a_broker_that_was_just_unavailable(broker: Broker, listing: Listing) -> None:
    broker.answer(429, {"data": {"805": "Too many requests."}, "status": "failed"})

    assert [open_chain(series) for series in listing.series[:2]] == [None, None]

    assert len(broker.requests) == 1


def test_quotes_of_a_chain_state_their_source_and_that_they_do_not_stream(broker: Broker, listing: Listing) -> None:
    series = listing.series_of("TCS")
    broker.answer(200, chain_of(series, last_price=0, oi=0))
    empty = first_quote(open_chain(series))
    free_turns()
    broker.answer(200, chain_of(series, last_price=20.549999, previous_close_price=22, top_bid_price=20.5, oi=650))
    later = OPEN + chain_requests.FRESH

    quote = first_quote(open_chain(series, now=later), now=later)

    assert (quote.source, quote.at, quote.state) == (PriceSource.CHAIN, later, QuoteState.STALE)
    assert (quote.ltp, quote.change, quote.change_percent) == (20.55, -1.45, -6.59)
    assert (quote.bid, quote.ask, quote.oi, quote.volume, quote.previous_close) == (20.5, None, 650, None, 22.0)
    assert (empty.ltp, empty.oi, empty.state) == (None, 0, QuoteState.WAITING)
    assert first_quote(open_chain(series, now=later), now=today(18)).state == QuoteState.STALE


def first_quote(chain: Any, *, now: datetime = OPEN) -> selectors.PlainQuote:
    """Return the quote of the first option in a chain."""
    instrument_id = int(chain.rows["instrument_id"][0])
    quotes = selectors.list_chain_quotes(
        chain=chain, segment=S.NSE_FNO, tick_sizes={instrument_id: Decimal("0.05")}, now=now
    )
    return quotes[instrument_id]
