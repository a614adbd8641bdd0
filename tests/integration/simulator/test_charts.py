"""Daily candles of the simulator, read by the terminal's client and compared with the market of its feed."""

from datetime import date, datetime, timedelta

import httpx
import pytest

from marketdata.domain.sessions import IST
from tests.integration.simulator.feeds import RELIANCE, small_simulator
from tests.simulators import PLAIN_HTTP

pytestmark = pytest.mark.asyncio

HEADERS = {"access-token": "sim-token"}
PATH = "/charts/historical"


def body(first: date, end: date, **changes: object) -> dict[str, object]:
    return {
        "securityId": str(RELIANCE.security_id),
        "exchangeSegment": "NSE_EQ",
        "instrument": "EQUITY",
        "expiryCode": 0,
        "oi": False,
        "fromDate": first.isoformat(),
        "toDate": end.isoformat(),
        **changes,
    }


def last_weekday_before(day: date) -> date:
    before = day - timedelta(days=1)
    return before if before.weekday() < 5 else last_weekday_before(before)


async def test_candles_end_at_the_previous_close_of_the_market() -> None:
    today = datetime.now(IST).date()
    newest = last_weekday_before(today)
    async with (
        small_simulator() as running,
        httpx.AsyncClient(base_url=running.rest_url, headers=HEADERS, trust_env=False, verify=PLAIN_HTTP) as client,
    ):
        answer = await client.post(PATH, json=body(today - timedelta(days=14), today))
        again = await client.post(PATH, json=body(newest, newest + timedelta(days=1), oi=True))
        market = running.feed.market
        close = float(market.bodies["day_close"][market.row_of[RELIANCE]])

    candles = answer.json()
    days = [datetime.fromtimestamp(one, IST) for one in candles["timestamp"]]
    assert len(days) == 10
    assert {(one.hour, one.minute) for one in days} == {(0, 0)}
    assert days[-1].date() == newest
    assert candles["close"][-1] == pytest.approx(close, abs=0.005)
    assert again.json()["close"] == candles["close"][-1:]
    assert len(again.json()["open_interest"]) == 1
    # As at the broker: large numbers in scientific notation.
    assert f'"timestamp":["{newest}"]' not in answer.text
    assert "E9" in answer.text


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"fromDate": "2026-02-07", "toDate": "2026-02-09"}, 400, "DH-907"),  # a weekend
        ({"securityId": "999999999"}, 400, "DH-907"),
        ({"instrument": "INDEX"}, 400, "DH-907"),
        ({"fromDate": "yesterday"}, 400, "DH-905"),
        ({"instrument": None}, 400, "DH-905"),
    ],
)
async def test_what_has_no_candle_is_refused(changes: dict[str, object], status: int, code: str) -> None:
    async with (
        small_simulator() as running,
        httpx.AsyncClient(base_url=running.rest_url, headers=HEADERS, trust_env=False, verify=PLAIN_HTTP) as client,
    ):
        answer = await client.post(PATH, json=body(date(2026, 2, 9), date(2026, 2, 10), **changes))

    assert (answer.status_code, answer.json()["errorCode"]) == (status, code)


async def test_a_sixth_request_within_a_second_exceeds_the_rate_limit() -> None:
    async with (
        small_simulator() as running,
        httpx.AsyncClient(base_url=running.rest_url, headers=HEADERS, trust_env=False, verify=PLAIN_HTTP) as client,
    ):
        statuses = {
            (await client.post(PATH, json=body(date(2026, 2, 9), date(2026, 2, 10)))).status_code for _ in range(8)
        }

    assert statuses == {200, 429}
