"""Candles of the present day over HTTP: one request to the broker for all who look."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings
from rest_framework.test import APIClient

from marketdata import rest_board, selectors, services
from marketdata.domain.sessions import IST
from marketdata.services import CandlesUnavailable
from tests.brokers import Broker, running_broker
from tests.factories import Listing, make_listing, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

PATH = "/api/v2/instruments/RELIANCE/intraday"
OPEN = datetime(2026, 2, 10, 12, tzinfo=IST)  # Tuesday
REFUSED = {"errorType": "Data_Error", "errorCode": "DH-907", "errorMessage": "no data present"}


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    settings.MARKET_DATE = date(2026, 2, 10)
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        yield broker


@pytest.fixture
def market() -> Listing:
    return make_listing()


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user())
    return client


def candles_from(at: datetime, *closes: float) -> dict[str, Any]:
    times = [at.timestamp() + 60 * number for number in range(len(closes))]
    prices: list[float] = list(closes)
    columns = dict.fromkeys(("open", "high", "low", "close"), prices)
    return {**columns, "volume": [0.0] * len(prices), "timestamp": times}


def current(*, symbol: str = "RELIANCE", now: datetime = OPEN) -> Any:
    instrument = selectors.get_chart_instrument(symbol=symbol, now=now)
    return services.current_candles(instrument=instrument, interval=1, now=now)


def test_a_stranger_gets_nothing(broker: Broker, market: Listing) -> None:
    assert APIClient().get(PATH).status_code == 401
    assert broker.requests == []


def test_the_candles_of_a_share_are_those_of_the_broker(market: Listing, client: APIClient, broker: Broker) -> None:
    now = datetime.now(UTC)
    broker.answer(200, candles_from(now.replace(second=0, microsecond=0), 1_400.05, 1_401.0))

    answer = client.get(PATH, {"interval": 5})

    assert answer.status_code == 200, answer.content
    found = answer.json()
    at = int(now.replace(second=0, microsecond=0).timestamp())
    assert found["candles"] == [
        [at, 1_400.05, 1_400.05, 1_400.05, 1_400.05, 0],
        [at + 60, 1_401.0, 1_401.0, 1_401.0, 1_401.0, 0],
    ]
    assert (found["token"], found["interval"]) == ("RELIANCE", 5)
    path, body = broker.requests[0]
    assert path == "/charts/intraday"
    assert body["securityId"] == str(market.spots["RELIANCE"].security_id)
    assert (body["exchangeSegment"], body["instrument"], body["interval"]) == ("NSE_EQ", "EQUITY", "5")


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("NOSUCH", {}, 404, "unknown_symbol"),
        ("RELIANCE", {"interval": "2"}, 400, "invalid"),
        ("RELIANCE", {"expiry": "yesterday"}, 400, "malformed_date"),
        ("RELIANCE", {"expiry": "2027-02-23"}, 404, "unknown_expiry"),
    ],
)
def test_a_wrong_request_reaches_no_broker(
    market: Listing, client: APIClient, broker: Broker, path: str, query: dict[str, str], status: int, code: str
) -> None:
    answer = client.get(f"/api/v2/instruments/{path}/intraday", query)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert broker.requests == []


@pytest.mark.parametrize(("status", "body"), [(500, b""), (200, b"not json"), (200, {"open": []})])
def test_a_failing_broker_is_asked_once_in_half_a_minute(
    market: Listing, client: APIClient, broker: Broker, status: int, body: object
) -> None:
    broker.answer(status, body)

    answers = [client.get(PATH) for _ in range(3)]

    assert {(one.status_code, one.json()["code"]) for one in answers} == {(503, "no_candles")}
    assert answers[0].headers["Retry-After"]
    assert len(broker.requests) == 1


def test_before_the_first_trade_there_are_no_candles(market: Listing, broker: Broker) -> None:
    broker.answer(400, REFUSED)

    assert len(current().candles) == 0
    assert len(current().candles) == 0
    assert len(broker.requests) == 1


def test_an_answer_serves_a_minute_and_after_the_close_the_whole_night(market: Listing, broker: Broker) -> None:
    broker.answer(200, candles_from(OPEN, 1_400.0))
    current()
    current(now=OPEN + timedelta(seconds=59))
    assert len(broker.requests) == 1
    current(now=OPEN + timedelta(seconds=61))
    assert len(broker.requests) == 2

    evening = OPEN.replace(hour=17)
    current(now=evening)
    current(now=evening + timedelta(hours=3))
    assert len(broker.requests) == 3


def test_an_old_answer_is_used_while_a_new_one_is_not_to_be_had(market: Listing, broker: Broker) -> None:
    broker.answer(200, candles_from(OPEN, 1_400.0))
    current()
    later = OPEN + timedelta(minutes=5)
    instrument = selectors.get_chart_instrument(symbol="RELIANCE", now=later)
    board = rest_board.connect()
    assert board.take_intraday_request(instrument.pk, 1, milliseconds=5_000, most_a_second=2, at=later)

    assert len(current(now=later).candles) == 1
    assert len(broker.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_one_request_serves_all_who_wait(market: Listing, broker: Broker) -> None:
    broker.answer(200, candles_from(OPEN, 1_400.0))
    instrument = selectors.get_chart_instrument(symbol="RELIANCE", now=OPEN)

    def look(_: int) -> int | None:
        try:
            return len(services.current_candles(instrument=instrument, interval=1, now=OPEN).candles)  # type: ignore[arg-type]
        except CandlesUnavailable:
            return None  # On a busy machine the wait of a thread may end before the answer.
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(look, range(8)))

    assert {1} <= set(found) <= {1, None}
    assert len(broker.requests) == 1


def test_a_pause_of_the_broker_ends_the_wait_at_once(market: Listing, broker: Broker) -> None:
    rest_board.connect().pause_chains(30_000)

    with pytest.raises(CandlesUnavailable):
        current()
    assert broker.requests == []


def test_the_options_of_a_commodity_have_the_chart_of_their_future(market: Listing, broker: Broker) -> None:
    expected = selectors.get_series_by_key(key=market.series_of("CRUDEOIL")).spot_instrument_id

    assert selectors.get_chart_instrument(symbol="CRUDEOIL").pk == expected
    assert selectors.get_chart_instrument(symbol="NIFTY").pk == market.spots["NIFTY"].pk
