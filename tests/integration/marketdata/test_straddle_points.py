"""The straddle of the day: what the worker appends, and the answer of the API."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from rest_framework.test import APIClient

from marketdata import derived_board, selectors, straddle_board
from marketdata.domain.analytics.derived_rows import OPTION_ROW, SERIES_ROW
from marketdata.domain.analytics.straddle_points import POINT, decode_points, minute_of
from marketdata.domain.instruments import SeriesKey
from marketdata.domain.sessions import IST
from marketdata.quote_board import StaleEpoch
from tests.factories import Listing, make_listing, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

# Within the day of the clock: a key of another day would expire at once.
NOON = datetime.now(IST).replace(hour=12, minute=0, second=0, microsecond=0)
TODAY = NOON.date()
EPOCH = 5


@pytest.fixture
def market(settings: Settings) -> Listing:
    settings.MARKET_DATE = date(2026, 2, 10)
    return make_listing()


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user())
    return client


def append(
    series: Sequence[SeriesKey], *, at: datetime, straddle: float = 246.7, atm_iv: float = 11.83, epoch: int = EPOCH
) -> int:
    """Append a point to each of `series`, as a worker that has just started."""

    async def main() -> int:
        writer = straddle_board.connect_writer()
        try:
            return await writer.append(series, points, epoch=epoch)
        finally:
            await writer.aclose()

    points = np.zeros(len(series), dtype=POINT)
    points["minute"] = minute_of(round(at.timestamp() * 1_000))
    points["straddle"], points["atm_strike"], points["atm_iv"], points["forward"] = straddle, 26_000, atm_iv, 26_021.4
    return asyncio.run(main())


def straddles(series: SeriesKey, day: date = TODAY) -> list[float]:
    found: list[float] = decode_points(straddle_board.connect().read(series, day))["straddle"].tolist()
    return found


def lead(epoch: int) -> None:
    """Write an empty cache, as a worker of this epoch."""

    async def main() -> None:
        publisher = derived_board.connect_publisher()
        await publisher.cache(
            epoch=epoch, options=np.zeros(0, OPTION_ROW), series=np.zeros(0, SERIES_ROW), replace_all=True
        )
        await publisher.aclose()

    asyncio.run(main())


def test_a_minute_is_written_once_also_by_a_worker_that_has_just_started(market: Listing) -> None:
    nifty, share = market.series_of("NIFTY"), market.series_of("RELIANCE")

    assert append([nifty, share], at=NOON, straddle=246.7) == 2
    assert append([nifty, share], at=NOON + timedelta(seconds=59), straddle=250.0) == 0
    assert append([nifty], at=NOON + timedelta(minutes=1), straddle=251.0) == 1
    assert append([nifty, share], at=NOON + timedelta(minutes=3), straddle=252.0) == 2
    # A worker whose clock is behind changes nothing.
    assert append([nifty], at=NOON + timedelta(minutes=2), straddle=253.0) == 0

    assert straddles(nifty) == [246.7, 251.0, 252.0]
    assert straddles(share) == [246.7, 252.0]


def test_a_former_leader_writes_nothing(market: Listing) -> None:
    nifty = market.series_of("NIFTY")
    lead(EPOCH + 1)

    with pytest.raises(StaleEpoch):
        append([nifty], at=NOON, epoch=EPOCH)
    assert append([nifty], at=NOON, epoch=EPOCH + 1) == 1

    assert straddles(nifty) == [246.7]


def test_another_day_begins_without_points_and_those_of_a_day_end_with_it(market: Listing) -> None:
    nifty = market.series_of("NIFTY")
    append([nifty], at=NOON)
    append([nifty], at=NOON + timedelta(days=1), straddle=300.0)

    assert straddles(nifty) == [246.7]
    assert straddles(nifty, TODAY + timedelta(days=1)) == [300.0]
    client = redis.Redis.from_url(settings.REDIS_URL)
    keys = sorted(client.scan_iter(match=f"{settings.REDIS_PREFIX}:straddles:*"))
    (seconds,) = {client.ttl(one) + offset for one, offset in zip(keys, (86_400, 0), strict=True)}
    client.close()
    last_midnight = NOON.replace(hour=0) + timedelta(days=2)
    assert seconds == pytest.approx((last_midnight - datetime.now(IST)).total_seconds(), abs=5)


def test_a_stranger_gets_nothing(market: Listing) -> None:
    assert APIClient().get("/api/v2/instruments/NIFTY/straddle").status_code == 401


def test_the_answer_has_the_points_of_today(market: Listing, client: APIClient) -> None:
    nifty = market.series_of("NIFTY")
    now = datetime.now(UTC)
    append([nifty], at=now)
    append([nifty], at=now - timedelta(days=1), straddle=300.0)

    answer = client.get("/api/v2/instruments/NIFTY/straddle", {"expiry": nifty.expiry.isoformat()})

    assert answer.status_code == 200, answer.content
    minute = int(now.timestamp()) // 60 * 60
    assert answer.json() == {
        "symbol": "NIFTY",
        "exchange": "NSE",
        "expiry": nifty.expiry.isoformat(),
        "expiry_display": f"{nifty.expiry:%d%b%Y}".upper(),
        "day": now.astimezone(IST).date().isoformat(),
        "points": [[minute, 246.7, 26_000.0, 11.83, 26_021.4]],
    }


def test_an_unknown_volatility_is_null_and_a_series_without_points_has_none(market: Listing, client: APIClient) -> None:
    append([market.series_of("NIFTY")], at=datetime.now(UTC), atm_iv=np.nan)

    (point,) = client.get("/api/v2/instruments/NIFTY/straddle").json()["points"]
    assert point[3] is None
    assert client.get("/api/v2/instruments/RELIANCE/straddle").json()["points"] == []


def test_an_unchanged_answer_is_304_until_the_next_point(market: Listing, client: APIClient) -> None:
    nifty, now = market.series_of("NIFTY"), datetime.now(UTC)
    append([nifty], at=now)
    path = "/api/v2/instruments/NIFTY/straddle"
    etag = client.get(path).headers["ETag"]

    unchanged = client.get(path, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)

    append([nifty], at=now + timedelta(minutes=1))
    changed = client.get(path, headers={"If-None-Match": etag})
    # In the last minute of a day the next point belongs to another one.
    is_same_day = now.astimezone(IST).date() == (now + timedelta(minutes=1)).astimezone(IST).date()
    assert changed.status_code == (200 if is_same_day else 304)


def test_it_asks_the_database_no_more_than_the_candles_do(market: Listing, client: APIClient) -> None:
    now = datetime.now(UTC)
    with CaptureQueriesContext(connection) as candles:
        selectors.get_chart_instrument(symbol="NIFTY", expiry=market.series_of("NIFTY").expiry, now=now)
    with CaptureQueriesContext(connection) as points:
        selectors.get_straddle_day(symbol="NIFTY", expiry=market.series_of("NIFTY").expiry, now=now)

    assert len(points) < len(candles)


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("NOSUCH", {}, 404, "unknown_symbol"),
        ("NIFTY", {"expiry": "yesterday"}, 400, "malformed_date"),
        ("NIFTY", {"expiry": "2027-02-23"}, 404, "unknown_expiry"),
        ("NIFTY", {"exchange": "LSE"}, 400, "invalid"),
    ],
)
def test_a_wrong_request_is_a_problem(
    market: Listing, client: APIClient, path: str, query: dict[str, str], status: int, code: str
) -> None:
    answer = client.get(f"/api/v2/instruments/{path}/straddle", query)

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("kind", ["cut off", "a list"])
def test_damaged_points_end_and_later_ones_are_stored(market: Listing, suite_redis: redis.Redis, kind: str) -> None:
    series, other = market.series[0], market.series[1]
    append([series], at=NOON)
    (key,) = suite_redis.scan_iter(f"{settings.REDIS_PREFIX}:straddles:*")
    if kind == "cut off":
        suite_redis.append(key, b"x")
    else:
        suite_redis.delete(key)
        suite_redis.lpush(key, "x")

    append([series, other], at=NOON + timedelta(minutes=1), straddle=250.0)

    assert (straddles(series), straddles(other)) == ([250.0], [250.0])
