"""Prices of spots that do not stream: one request for all traders, in the turn of the account, and no endless wait."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection, connections
from pytest_django import Settings

from marketdata import rest_board, selectors, services
from marketdata.domain.instruments import SeriesKey
from marketdata.models import Instrument
from marketdata.rest_board import Turn
from marketdata.selectors import PriceSource
from marketdata.services import Chain
from simulator.underlyings import read_stocks
from tests.brokers import Broker, running_broker
from tests.factories import NOW, make_equities, make_equity, make_listing, make_series, make_user
from tests.proxies import Proxy, running_proxy
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until
from watchlists.models import EntryKind, WatchlistEntry
from watchlists.services import add_entry

pytestmark = pytest.mark.usefixtures("own_board")

UNDERLYINGS = 200
TRADERS = 8
CALLER_LTP = Decimal(2_651)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorAddress]:
    with running_simulator(small=False) as address:
        yield address


@pytest.fixture
def counted(simulator: SimulatorAddress, settings: Settings) -> Iterator[Proxy]:
    """Put a proxy before the simulator's REST side: it counts the requests."""
    rest = urlsplit(simulator.rest_url)
    with running_proxy(rest.port or 0) as proxy:
        settings.DHAN_REST_URL = f"http://127.0.0.1:{proxy.port}{rest.path}"
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = simulator.client_id, simulator.access_token
        settings.MARKET_DATE = NOW.date()
        yield proxy


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    settings.MARKET_DATE = NOW.date()
    settings.DHAN_QUOTE_INTERVAL_MS = 1
    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
        yield broker


def make_stock_series(count: int) -> list[SeriesKey]:
    """Make `count` shares that the simulator knows, each with one short series of options."""
    return [
        make_series(make_equity(stock.symbol, security_id=stock.nse_id), middle=100, step=10, strikes=3)
        for stock in islice(read_stocks(), count)
    ]


def open_one(series: SeriesKey, *, after: float = 0, caller_ltp: Decimal | None = CALLER_LTP) -> Chain:
    listing = selectors.get_series_by_key(series)
    return services.open_chain(listing=listing, width=3, caller_ltp=caller_ltp, now=NOW + timedelta(seconds=after))


def count_items(request: tuple[str, Any]) -> int:
    return sum(len(ids) for ids in request[1].values())


@pytest.mark.django_db
def test_two_hundred_chains_one_after_another_need_one_request(counted: Proxy) -> None:
    series = make_stock_series(UNDERLYINGS)

    sources = [open_one(one, caller_ltp=None).spot.source for one in series]

    assert sources == [PriceSource.SNAPSHOT] * UNDERLYINGS
    assert counted.accepted == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("long_timeouts")
def test_traders_who_add_at_the_same_time_share_one_request(counted: Proxy) -> None:
    symbols = [one.underlying for one in make_stock_series(TRADERS * 5)]
    traders = [make_user(f"trader{number}") for number in range(TRADERS)]

    def add(number: int) -> None:
        try:
            for symbol in symbols[number::TRADERS]:
                add_entry(
                    user_id=traders[number].pk,
                    actor=traders[number].username,
                    symbol=symbol,
                    kind=EntryKind.STOCK_OPTION,
                    strikes=3,
                    now=NOW,
                )
        finally:
            connections.close_all()

    with ThreadPoolExecutor(TRADERS) as pool:
        list(pool.map(add, range(TRADERS)))

    assert WatchlistEntry.objects.count() == len(symbols)
    # One, or one more for each turn that the first answer took on a busy machine.
    assert counted.accepted <= 3


@pytest.mark.django_db
def test_a_request_contains_the_spots_that_others_wait_for_and_all_other_spots(broker: Broker) -> None:
    market = make_listing()
    wanted = make_equities(2)
    for number, one in enumerate(wanted):
        rest_board.connect().note_wanted(one.pk, at=NOW - timedelta(seconds=2 - number))

    open_one(market.series_of("TCS"))

    (_, body), *others = broker.requests
    assert set(body["NSE_EQ"]) == {11536, 2885, *(one.security_id for one in wanted)}
    assert (body["IDX_I"], len(body["MCX_COMM"]), others) == ([13], 1, [])


@pytest.mark.django_db
def test_a_request_has_at_most_a_thousand_spots(broker: Broker) -> None:
    series = make_listing().series_of("RELIANCE")
    wanted = make_equities(1_100)
    for one in wanted:
        rest_board.connect().note_wanted(one.pk, at=NOW)

    open_one(series)

    assert [count_items(one) for one in broker.requests] == [1_000]
    assert 2885 in broker.requests[0][1]["NSE_EQ"]


@pytest.mark.django_db
def test_a_trader_waits_for_two_turns_at_most(broker: Broker) -> None:
    series = make_listing().series_of("RELIANCE")
    assert rest_board.connect().take_turn(60_000) is Turn.TAKEN

    assert open_one(series).spot.source is PriceSource.CALLER
    assert broker.requests == []


@pytest.mark.django_db
def test_nobody_waits_while_the_broker_is_unavailable(broker: Broker, settings: Settings) -> None:
    market = make_listing()
    settings.DHAN_QUOTE_INTERVAL_MS = 60_000
    broker.answer(401, {"errorCode": "DH-901", "errorMessage": "invalid or expired"})

    sources = [open_one(series).spot.source for series in market.series]

    assert sources == [PriceSource.CALLER] * len(market.series)
    assert len(broker.requests) == 1


@pytest.mark.django_db
def test_nobody_waits_without_an_access_token(broker: Broker, settings: Settings) -> None:
    settings.DHAN_ACCESS_TOKEN = ""
    settings.DHAN_QUOTE_INTERVAL_MS = 60_000

    assert {open_one(series).spot.source for series in make_listing().series} == {PriceSource.CALLER}


@pytest.mark.django_db
def test_a_rate_limited_request_is_repeated_in_the_next_turns(broker: Broker) -> None:
    series = make_listing().series_of("RELIANCE")
    broker.answer(429, {"data": {"805": "Too many requests."}, "status": "failed"})

    assert open_one(series).spot.source is PriceSource.CALLER
    assert len(broker.requests) >= 2


@pytest.mark.django_db
def test_after_a_request_that_failed_as_a_whole_the_spot_is_requested_alone(broker: Broker) -> None:
    market = make_listing()
    broker.answer(400, {"errorCode": "DH-905", "errorMessage": "bad values"})

    assert open_one(market.series_of("RELIANCE")).spot.source is PriceSource.CALLER
    assert open_one(market.series_of("TCS")).spot.source is PriceSource.CALLER

    assert [count_items(one) for one in broker.requests] == [4, 1, 1]
    assert [body for _, body in broker.requests[1:]] == [{"NSE_EQ": [2885]}, {"NSE_EQ": [11536]}]


@pytest.mark.django_db
def test_a_price_that_the_broker_lacks_is_requested_again_after_ten_seconds(broker: Broker) -> None:
    series = make_listing().series_of("RELIANCE")

    requests = []
    for seconds in (0, 10, 11):
        open_one(series, after=seconds)
        requests.append(len(broker.requests))

    assert requests == [1, 1, 2]


@pytest.mark.django_db
def test_an_answer_is_used_for_a_minute(broker: Broker) -> None:
    series = make_listing().series_of("RELIANCE")
    broker.answer(200, {"data": {"NSE_EQ": {"2885": {"last_price": 2599.4}}}, "status": "success"})

    opened = []
    for seconds in (0, 60, 61):
        spot = open_one(series, after=seconds).spot
        opened.append((spot.ltp, spot.at, len(broker.requests)))

    price, later = Decimal("2599.4"), NOW + timedelta(seconds=61)
    assert opened == [(price, NOW, 1), (price, NOW, 1), (price, later, 2)]


def count_other_sessions() -> int:
    """Return the number of sessions on the test database, without that of the caller."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_no_database_connection_is_held_while_the_broker_is_asked(broker: Broker) -> None:
    series = make_listing().series_of("RELIANCE")
    broker.may_answer.clear()
    before = count_other_sessions()  # Threads of earlier tests may have left some.

    def add() -> None:
        open_one(series)
        connections.close_all()

    trader = Thread(target=add)
    trader.start()
    wait_until(lambda: len(broker.requests) == 1, message="the request")
    during = count_other_sessions()
    broker.may_answer.set()
    trader.join()

    assert during <= before


@pytest.mark.django_db
def test_the_spots_are_the_listed_underlyings_of_derivatives() -> None:
    market = make_listing()
    make_equity("ITC")
    Instrument.objects.filter(pk=market.spots["TCS"].pk).update(is_listed=False)

    spots = selectors.list_spots()

    assert spots == sorted(market.spots[one].pk for one in ("NIFTY", "RELIANCE", "CRUDEOIL"))
