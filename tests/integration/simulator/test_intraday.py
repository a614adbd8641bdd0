"""Minute candles of the simulator, compared with the market of its feed."""

from datetime import datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from marketdata.domain.sessions import IST
from tests.integration.simulator.feeds import NIFTY, RELIANCE, small_simulator
from tests.simulators import PLAIN_HTTP

pytestmark = pytest.mark.asyncio

HEADERS = {"access-token": "sim-token"}
PATH = "/charts/intraday"


def body(day: datetime, **changes: object) -> dict[str, object]:
    return {
        "securityId": str(RELIANCE.security_id),
        "exchangeSegment": "NSE_EQ",
        "instrument": "EQUITY",
        "interval": "1",
        "fromDate": day.strftime("%Y-%m-%d 00:00:00"),
        "toDate": day.strftime("%Y-%m-%d 23:59:59"),
        **changes,
    }


async def test_the_last_candle_ends_at_the_live_price_and_the_others_stay() -> None:
    now = datetime.now(IST)
    async with (
        small_simulator() as running,
        httpx.AsyncClient(base_url=running.rest_url, headers=HEADERS, trust_env=False, verify=PLAIN_HTTP) as client,
    ):
        market = running.feed.market
        first = (await client.post(PATH, json=body(now))).json()
        ltp = float(market.bodies["ltp"][market.row_of[RELIANCE]])
        second = (await client.post(PATH, json=body(now))).json()
        fives = (await client.post(PATH, json=body(now, interval=5))).json()
        index = body(now, securityId=str(NIFTY.security_id), exchangeSegment="IDX_I", instrument="INDEX")
        nifty = (await client.post(PATH, json=index)).json()

    times = first["timestamp"]
    assert all(later - before == 60 for before, later in pairwise(times))
    assert abs(datetime.fromtimestamp(times[-1], IST) - now) < timedelta(minutes=2)
    assert first["close"][-1] == pytest.approx(ltp, abs=0.02)
    # The minutes that have ended do not change.
    ended = len(times) - 1
    assert {name: values[:ended] for name, values in second.items()} == {
        name: values[:ended] for name, values in first.items()
    }
    for opened, high, low, closed in zip(*(first[one] for one in ("open", "high", "low", "close")), strict=True):
        assert low <= min(opened, closed) <= max(opened, closed) <= high
    assert fives["timestamp"][0] == times[0]
    assert len(fives["timestamp"]) == -(-len(times) // 5)
    assert set(nifty["volume"]) == {0.0}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"fromDate": "2026-02-07", "toDate": "2026-02-08"}, "DH-907"),  # a weekend
        ({"securityId": "999999999"}, "DH-907"),
        ({"instrument": "INDEX"}, "DH-907"),
        ({"interval": "2"}, "DH-905"),
        ({"fromDate": "2025-01-01"}, "DH-905"),  # longer than 90 days
        ({"fromDate": "yesterday"}, "DH-905"),
    ],
)
async def test_what_has_no_candle_is_refused(changes: dict[str, object], code: str) -> None:
    async with (
        small_simulator() as running,
        httpx.AsyncClient(base_url=running.rest_url, headers=HEADERS, trust_env=False, verify=PLAIN_HTTP) as client,
    ):
        answer = await client.post(PATH, json=body(datetime.now(IST), **changes))

    assert (answer.status_code, answer.json()["errorCode"]) == (400, code)


async def test_an_earlier_day_has_the_same_candles_each_time() -> None:
    day = datetime(2026, 2, 9, tzinfo=IST)
    async with (
        small_simulator() as running,
        httpx.AsyncClient(base_url=running.rest_url, headers=HEADERS, trust_env=False, verify=PLAIN_HTTP) as client,
    ):
        first, second = [(await client.post(PATH, json=body(day))).json() for _ in range(2)]

    assert first == second
    assert len(first["timestamp"]) == 375
