"""The broker's REST side: prices, full snapshots, both shapes of errors, and a token that is never passed on."""

import logging
from collections.abc import Iterator
from decimal import Decimal

import pytest
from pytest_django import Settings

from marketdata import dhan_api
from marketdata.dhan.credentials import Credentials
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from tests.brokers import Broker, running_broker
from tests.simulators import running_simulator

RELIANCE = InstrumentKey(ExchangeSegment.NSE_EQ, 2885)
CALL = InstrumentKey(ExchangeSegment.NSE_FNO, 131533)
PUT = InstrumentKey(ExchangeSegment.NSE_FNO, 131534)
TOKEN = "eyJ-a-very-secret-token"
US = Credentials("1000000001", TOKEN)


pytestmark = pytest.mark.usefixtures("own_board")


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        yield broker


def test_prices_are_requested_by_segment_and_missing_ones_are_left_out(broker: Broker) -> None:
    broker.answer(
        200,
        {
            "data": {"NSE_EQ": {"2885": {"last_price": 1452.3}}, "NSE_FNO": {"131533": {"last_price": 0}}},
            "status": "success",
        },
    )

    prices = dhan_api.fetch_ltp([RELIANCE, CALL, PUT], credentials=US)

    # A price of zero is no price: the broker returns it for instruments that its cache has dropped.
    assert prices == {RELIANCE: Decimal("1452.3")}
    assert broker.requests == [("/marketfeed/ltp", {"NSE_EQ": [2885], "NSE_FNO": [131533, 131534]})]
    assert (broker.headers[0]["access-token"], broker.headers[0]["client-id"]) == (TOKEN, "1000000001")


def test_an_empty_list_makes_no_request_and_a_list_that_is_too_long_is_refused(broker: Broker) -> None:
    assert dhan_api.fetch_ltp([], credentials=US) == {}
    with pytest.raises(ValueError, match="1001 instruments"):
        dhan_api.fetch_ltp([InstrumentKey(ExchangeSegment.NSE_EQ, one) for one in range(1_001)], credentials=US)
    assert broker.requests == []


def test_a_full_snapshot_is_a_quote(broker: Broker) -> None:
    level = {"quantity": 65, "orders": 2, "price": 61.0}
    fields = {
        "average_price": 60.5,
        "buy_quantity": 1000,
        "sell_quantity": 900,
        "depth": {"buy": [level] * 5, "sell": [{**level, "price": 61.1}] * 5},
        "last_price": 61.05,
        "last_quantity": 65,
        "last_trade_time": "10/02/2026 15:29:59",
        "ohlc": {"open": 50, "close": 55.5, "high": 65.0, "low": 49.9},
        "oi": 12,
        "oi_day_high": 14,
        "oi_day_low": 10,
        "volume": 6_500,
    }
    broker.answer(200, {"data": {"NSE_FNO": {"131533": fields}}, "status": "success"})

    quote = dhan_api.fetch_quotes([CALL, PUT], credentials=US)[CALL]

    assert broker.requests == [("/marketfeed/quote", {"NSE_FNO": [131533, 131534]})]
    # 15:29:59 IST, written as if it were UTC.
    assert (quote.ltp, quote.ltt, quote.previous_close) == (61.05, 1_770_737_399, 55.5)
    assert (quote.volume, quote.oi, quote.total_buy_quantity, quote.day_open) == (6_500, 12, 1_000, 50)
    assert quote.depth is not None
    assert (quote.depth[0].bid_price, quote.depth[0].ask_price) == (61.0, 61.1)


@pytest.mark.parametrize("time", ["01/01/1980 00:00:00", ""])
def test_an_instrument_that_never_traded_has_no_trade(broker: Broker, time: str) -> None:
    broker.answer(
        200, {"data": {"NSE_FNO": {"131533": {"last_price": 0, "last_trade_time": time}}}, "status": "success"}
    )

    quote = dhan_api.fetch_quotes([CALL], credentials=US)[CALL]

    assert (quote.ltp, quote.ltt, quote.depth, quote.previous_close) == (None, None, None, None)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, {"data": {"805": "Too many requests."}, "status": "failed"}, dhan_api.RateLimited),
        (429, {"errorType": "Rate_Limit", "errorCode": "DH-904", "errorMessage": "slow"}, dhan_api.RateLimited),
        (200, {"data": {"805": "Too many requests."}, "status": "failed"}, dhan_api.RateLimited),
        (401, {"errorCode": "DH-901", "errorMessage": "invalid or expired"}, dhan_api.LoginRefused),
        (400, {"errorCode": "DH-906", "errorMessage": "Invalid Token"}, dhan_api.LoginRefused),
        (400, {"data": {"806": "Data APIs not subscribed"}, "status": "failed"}, dhan_api.LoginRefused),
        (400, {"errorCode": "DH-905", "errorMessage": "Missing fields"}, dhan_api.RequestRefused),
        (404, {"status": 404, "error": "Not Found", "path": "/v2/x"}, dhan_api.RequestRefused),
        (500, {"errorCode": "DH-908", "errorMessage": "rare"}, dhan_api.DhanUnreachable),
        (502, b"<html>Bad gateway</html>", dhan_api.DhanUnreachable),
        (200, b"[]", dhan_api.DhanUnreachable),
        (200, {"data": [], "status": "success"}, dhan_api.DhanUnreachable),
    ],
)
def test_errors_of_both_shapes_are_distinguished(
    broker: Broker, status: int, body: object, error: type[dhan_api.DhanError]
) -> None:
    broker.answer(status, body)

    with pytest.raises(error) as raised:
        dhan_api.fetch_ltp([RELIANCE], credentials=US)

    assert type(raised.value) is error


def test_a_refused_connection_raises_unreachable(settings: Settings) -> None:
    with running_broker() as stopped:
        settings.DHAN_REST_URL = stopped.url

    with pytest.raises(dhan_api.DhanUnreachable):
        dhan_api.fetch_ltp([RELIANCE], credentials=US)


def test_no_error_and_no_log_contains_the_token(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    broker.answer(401, {"errorCode": "DH-901", "errorMessage": "invalid or expired"})

    with pytest.raises(dhan_api.LoginRefused) as raised:
        dhan_api.fetch_ltp([RELIANCE], credentials=US)

    assert TOKEN not in repr(raised.value)
    assert TOKEN not in caplog.text


def test_a_second_request_within_one_second_is_refused_as_rate_limited(settings: Settings) -> None:
    with running_simulator() as simulator:
        settings.DHAN_REST_URL = simulator.rest_url
        credentials = Credentials(simulator.client_id, simulator.access_token)
        prices = dhan_api.fetch_ltp([RELIANCE], credentials=credentials)
        with pytest.raises(dhan_api.RateLimited):
            dhan_api.fetch_ltp([RELIANCE], credentials=credentials)

    assert list(prices) == [RELIANCE]
