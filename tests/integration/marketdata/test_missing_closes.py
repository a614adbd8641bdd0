"""Previous closes from the broker's daily candles: of which instruments they are requested, and how often."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django_celery_beat.models import PeriodicTask
from pytest_django import Settings

from marketdata import rest_board, selectors, services, tasks
from marketdata.domain.instruments import ExchangeSegment as S
from marketdata.models import ClosingQuote, Instrument
from marketdata.services import missing_closes
from tests.brokers import Broker, running_broker
from tests.factories import make_equities, make_equity, make_future, make_index, make_listing
from tests.integration.marketdata.test_closes import FRIDAY, THURSDAY, ist, put, quote

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

EVENING = ist(20, 18)
LAST_TRADE = ist(20, 15, 29)
MIDNIGHT = int(ist(19, 0).timestamp())  # of Thursday, the day before


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        broker.answer(200, candle(1_402.5))
        yield broker


def candle(close: object, **columns: object) -> dict[str, object]:
    return {"timestamp": [float(MIDNIGHT)], "close": [close], "open_interest": [0], **columns}


def stream(*instruments: Instrument, traded_at: datetime = LAST_TRADE) -> None:
    """Put a price of the session, without a previous close, on the board."""
    put(*(quote(one, 1_391.2, at=EVENING, traded_at=traded_at) for one in instruments))


def fill(now: datetime = EVENING) -> int:
    return services.fill_closes(now=now, interval_seconds=0)


def requested(broker: Broker) -> Sequence[int]:
    assert {path for path, _ in broker.requests} <= {"/charts/historical"}
    return [int(body["securityId"]) for _, body in broker.requests]


def test_a_price_without_close_and_record_gets_the_close_of_the_day_before(broker: Broker) -> None:
    share = make_equity("TCS", security_id=11536)
    stream(share)

    assert fill() == 1

    assert broker.requests[0][1] == {
        "securityId": "11536",
        "exchangeSegment": "NSE_EQ",
        "instrument": "EQUITY",
        "expiryCode": 0,
        "oi": True,
        "fromDate": "2026-11-19",
        "toDate": "2026-11-20",
    }
    found = selectors.list_previous_closes(instrument_ids=[share.pk], now=EVENING)
    assert found[share.pk] == selectors.PreviousClose(Decimal("1402.5"), None, FRIDAY)


def test_a_future_gets_its_open_interest_too(broker: Broker) -> None:
    future = make_future("CRUDEOIL", expiry=date(2026, 12, 17))
    broker.answer(200, candle(5_750.0, open_interest=[1.2345e4]))
    stream(future)

    fill()

    assert ClosingQuote.objects.values_list("day", "price", "oi").get() == (THURSDAY, Decimal(5_750), 12_345)


def test_indices_come_first_then_spots_then_the_rest_and_no_option(broker: Broker) -> None:
    share, listing = make_equity("ALONE"), make_listing()
    option = Instrument.objects.filter(option_type="CE")[0]
    near, far = listing.futures["CRUDEOIL"]
    nifty, reliance, tcs = (listing.spots[symbol] for symbol in ("NIFTY", "RELIANCE", "TCS"))
    stream(share, option, far, near, tcs, reliance, nifty)

    fill()

    assert requested(broker) == [one.security_id for one in (nifty, reliance, tcs, near, share, far)]


def test_nothing_is_requested_that_another_source_has_or_that_could_not_be_used(broker: Broker) -> None:
    recorded, untraded, index = make_equity("TCS"), make_equity("RARE"), make_index()
    ClosingQuote.objects.create(
        instrument=recorded, exchange_segment=S.NSE_EQ, day=THURSDAY, price=None, recorded_at=EVENING
    )
    with_close = quote(index, 26_068.15, at=EVENING, traded_at=LAST_TRADE)
    with_close["known"] |= 512  # DAY_CLOSE
    put(
        with_close,
        quote(recorded, 1_391.2, at=EVENING, traded_at=LAST_TRADE),
        quote(untraded, 20.0, at=EVENING, traded_at=ist(18, 12)),
    )

    assert fill() == 0

    assert broker.requests == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"errorType": "Data_Error", "errorCode": "DH-907", "errorMessage": "no data present"}),
        (200, {"timestamp": [], "close": []}),
        (200, candle(None)),
        (200, candle("-")),
        (200, candle(0)),
        (200, {"timestamp": [float(MIDNIGHT - 86_400)], "close": [1.0]}),
        (200, {"close": None}),
    ],
)
def test_an_instrument_without_a_candle_is_requested_once_a_day(broker: Broker, status: int, body: object) -> None:
    stream(make_equity("TCS"))
    broker.answer(status, body)

    assert [fill(), fill(), fill(ist(21, 0, 1)), fill(ist(21, 0, 2))] == [0, 0, 0, 0]

    assert len(broker.requests) == 2
    assert ClosingQuote.objects.count() == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"data": {"805": "Too many requests."}, "status": "failed"}),
        (429, {"data": {"805": "Too many requests."}, "status": "failed"}),
        (401, {"errorType": "Invalid_Authentication", "errorCode": "DH-901", "errorMessage": "expired"}),
    ],
)
def test_a_broker_that_is_not_available_ends_the_run_and_the_next_one_asks_again(
    broker: Broker, status: int, body: object
) -> None:
    stream(*make_equities(3))
    broker.answer(status, body)
    assert fill() == 0
    assert len(broker.requests) == 1

    broker.answer(200, candle(1_402.5))
    assert fill() == 3


def test_an_unreadable_answer_delays_its_instrument_more_each_time_and_no_other(broker: Broker) -> None:
    shares = make_equities(7)
    stream(*shares)
    broker.answer(503, b"<html>")
    ids = [one.security_id for one in shares]

    fill()
    assert requested(broker) == ids[:3]
    broker.answer(200, candle(1_402.5))
    assert fill() == 4
    assert fill(EVENING + timedelta(seconds=61)) == 3

    assert requested(broker) == [*ids[:3], *ids[3:], *ids[:3]]


def test_a_run_and_a_day_have_a_limit(broker: Broker) -> None:
    stream(*make_equities(missing_closes.MOST_A_RUN + 5))

    assert fill() == missing_closes.MOST_A_RUN
    board = rest_board.connect()
    board.note_candle_requests(EVENING.date(), missing_closes.MOST_A_DAY - missing_closes.MOST_A_RUN - 2, {})
    assert fill() == 2
    assert fill() == 0

    assert len(broker.requests) == missing_closes.MOST_A_RUN + 2


def test_without_a_token_nothing_is_requested(broker: Broker, settings: Settings) -> None:
    settings.DHAN_CLIENT_ID = settings.DHAN_ACCESS_TOKEN = ""
    stream(make_equity("TCS"))

    assert fill() == 0

    assert broker.requests == []


def test_the_task_runs_each_minute_and_survives_a_missing_redis(settings: Settings) -> None:
    row = PeriodicTask.objects.get(task="marketdata.tasks.fill_closes")
    assert row.interval is not None
    assert (row.interval.every, row.interval.period) == (60, "seconds")

    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    tasks.fill_closes()
