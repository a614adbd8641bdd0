"""The simulator's REST side: limits, refusals in both shapes, and the instrument files."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from marketdata.dhan import scrip_master
from tests.integration.simulator.feeds import TODAY, few_files, small_simulator
from tests.simulators import PLAIN_HTTP

pytestmark = pytest.mark.asyncio

HEADERS = {"access-token": "sim-token", "client-id": "1000000001"}
NIFTY_CHAIN = {"UnderlyingScrip": 13, "UnderlyingSeg": "IDX_I", "Expiry": "2026-12-01"}


@asynccontextmanager
async def rest(headers: dict[str, str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a simulator's REST side."""
    async with (
        small_simulator() as running,
        httpx.AsyncClient(
            base_url=running.rest_url.removesuffix("/v2"),
            headers=HEADERS if headers is None else headers,
            trust_env=False,
            verify=PLAIN_HTTP,
        ) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def recorded(reference_data: Path) -> dict[str, dict[str, object]]:
    """Return recorded answers of the real broker by path; the last one of each path."""
    samples = json.loads((reference_data / "rest" / "rest-samples.json").read_text())
    return {sample["path"]: sample for sample in samples}


def shape(value: object) -> object:
    """Return names and types without values; an integer may stand for a float."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


async def test_a_quote_has_the_shape_of_a_recorded_one() -> None:
    async with rest() as client:
        answer = await client.post("/v2/marketfeed/quote", json={"NSE_EQ": [2885], "dhanClientId": "1000000001"})

    assert answer.status_code == 200
    assert shape(answer.json()["data"]["NSE_EQ"]["2885"]) == shape(json.loads(QUOTE_SAMPLE)["data"]["NSE_FNO"]["49081"])
    assert re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d", answer.json()["data"]["NSE_EQ"]["2885"]["last_trade_time"])


QUOTE_SAMPLE = (
    '{"data":{"NSE_FNO":{"49081":{"average_price":0,"buy_quantity":0,"depth":{"buy":['
    + ",".join(['{"quantity":0,"orders":0,"price":0}'] * 5)
    + '],"sell":['
    + ",".join(['{"quantity":0,"orders":0,"price":0}'] * 5)
    + ']},"last_price":0,"last_quantity":0,"last_trade_time":"","lower_circuit_limit":0.05,"net_change":0,'
    '"ohlc":{"open":0,"close":0,"high":0,"low":0},"oi":0,"oi_day_high":0,"oi_day_low":0,"sell_quantity":0,'
    '"upper_circuit_limit":20.05,"volume":0}}},"status":"success"}'
)
"""A real answer of 25 Jan 2025, of an instrument that had not traded."""


async def test_unknown_ids_and_segments_are_left_out_of_a_success() -> None:
    async with rest() as client:
        answer = await client.post("/v2/marketfeed/ltp", json={"NSE_EQ": [999_999_999], "MARS": [1]})

    assert answer.json() == {"data": {"NSE_EQ": {}}, "status": "success"}


async def test_a_second_quote_call_within_a_second_exceeds_the_rate_limit() -> None:
    async with rest() as client:
        first = await client.post("/v2/marketfeed/ltp", json={"NSE_EQ": [2885]})
        second = await client.post("/v2/marketfeed/ohlc", json={"NSE_EQ": [2885]})

    assert first.status_code == 200
    assert second.status_code == 429
    assert second.json() == {
        "data": {"805": "Too many requests. Further requests may result in the user being blocked."},
        "status": "failed",
    }


@pytest.mark.parametrize(("count", "status"), [(1_000, 200), (1_001, 400)])
async def test_a_quote_call_names_at_most_1000_instruments(count: int, status: int) -> None:
    ids = [row.key.security_id for row in few_files().listing if row.key.segment.name == "NSE_FNO"][:count]

    async with rest() as client:
        answer = await client.post("/v2/marketfeed/ltp", json={"NSE_FNO": ids})

    assert answer.status_code == status
    if status == 200:
        assert len(answer.json()["data"]["NSE_FNO"]) == 1_000
    else:
        assert list(answer.json()["data"]) == ["804"]


async def test_one_chain_may_be_requested_once_in_three_seconds_and_others_in_between() -> None:
    async with rest() as client:
        answers = [
            await client.post("/v2/optionchain", json=NIFTY_CHAIN | change)
            for change in ({}, {}, {"Expiry": "2026-12-08"})
        ]

    assert [answer.status_code for answer in answers] == [200, 429, 200]


@pytest.mark.parametrize(
    ("scrip", "segment", "first"),
    [
        (13, "IDX_I", "2026-11-23"),
        (51, "IDX_I", "2026-11-26"),
        (2885, "NSE_EQ", "2026-11-23"),
        (2885, "NSE_FNO", "2026-11-23"),
        (500325, "BSE_EQ", "2026-11-26"),
        (294, "MCX_COMM", "2026-12-16"),
    ],
)
async def test_expiries_are_found_by_the_brokers_names_of_the_underlying(scrip: int, segment: str, first: str) -> None:
    async with rest() as client:
        answer = await client.post(
            "/v2/optionchain/expirylist", json={"UnderlyingScrip": scrip, "UnderlyingSeg": segment}
        )

    assert answer.status_code == 200
    assert answer.json()["data"][0] == first


async def test_call_prices_fall_and_put_prices_rise_with_the_strike() -> None:
    async with rest() as client:
        chain = (await client.post("/v2/optionchain", json=NIFTY_CHAIN)).json()["data"]["oc"]

    strikes = [float(strike) for strike in chain]
    assert strikes == sorted(strikes)
    assert all(re.fullmatch(r"\d+\.\d{6}", strike) for strike in chain)
    near = [legs for strike, legs in chain.items() if abs(float(strike) - 25_900) <= 500]
    assert [legs["ce"]["last_price"] for legs in near] == sorted(
        (one["ce"]["last_price"] for one in near), reverse=True
    )
    assert [legs["pe"]["last_price"] for legs in near] == sorted(one["pe"]["last_price"] for one in near)


async def test_an_unlisted_chain_is_answered_with_the_brokers_error_code() -> None:
    async with rest() as client:
        wrong_day = await client.post("/v2/optionchain", json=NIFTY_CHAIN | {"Expiry": "2026-12-02"})
        no_date = await client.post("/v2/optionchain", json=NIFTY_CHAIN | {"Expiry": "soon"})
        no_scrip = await client.post(
            "/v2/optionchain/expirylist", json={"UnderlyingScrip": 21, "UnderlyingSeg": "IDX_I"}
        )

    assert [list(one.json()["data"]) for one in (wrong_day, no_date, no_scrip)] == [["811"], ["812"], ["813"]]


@pytest.mark.parametrize(
    "headers",
    [{}, {"access-token": "wrong", "client-id": "1000000001"}, {"access-token": "sim-token", "client-id": "2"}],
    ids=["none", "token", "client"],
)
async def test_wrong_credentials_get_the_recorded_error(
    headers: dict[str, str], recorded: dict[str, dict[str, object]]
) -> None:
    async with rest(headers) as client:
        answer = await client.post("/v2/marketfeed/ltp", json={"NSE_EQ": [2885]})

    assert answer.status_code == recorded["/v2/orders"]["status"] == 401
    assert answer.text == recorded["/v2/orders"]["response_body"]


@pytest.mark.parametrize("body", ["", "[]", "{", '{"NSE_EQ": ["x"]}', '{"NSE_EQ": [null]}'])
async def test_an_invalid_body_gets_the_recorded_error(body: str, recorded: dict[str, dict[str, object]]) -> None:
    async with rest() as client:
        answer = await client.post("/v2/marketfeed/ltp", content=body)

    assert answer.status_code == recorded["/v2/orders/112111182198"]["status"] == 400
    assert answer.text == recorded["/v2/orders/112111182198"]["response_body"]


async def test_an_unknown_path_is_answered_as_the_broker_does(recorded: dict[str, dict[str, object]]) -> None:
    async with rest() as client:
        answer = await client.get("/v2/invalid_endpoint")

    sample = json.loads(str(recorded["/v2/invalid_endpoint"]["response_body"]))
    assert answer.status_code == 404
    assert answer.json() | {"timestamp": sample["timestamp"]} == sample


async def test_a_profile_has_the_shape_of_a_recorded_one(recorded: dict[str, dict[str, object]]) -> None:
    async with rest({"access-token": "sim-token"}) as client:
        answer = await client.get("/v2/profile")

    sample = json.loads(str(recorded["/v2/profile"]["response_body"]))
    assert list(answer.json()) == list(sample)
    assert re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d", answer.json()["tokenValidity"])


@pytest.mark.parametrize(
    ("path", "layout"),
    [
        ("/api-data/api-scrip-master.csv", scrip_master.Layout.COMPACT),
        ("/api-data/api-scrip-master-detailed.csv", scrip_master.Layout.DETAILED),
    ],
)
async def test_both_instrument_files_are_served_without_credentials(path: str, layout: scrip_master.Layout) -> None:
    async with rest({}) as client:
        answer = await client.get(path)

    reading = scrip_master.read_rows(answer.text.split("\n"), as_of=TODAY)
    assert sum(1 for _ in reading) == len(few_files().listing)
    assert reading.layout is layout
    assert not answer.text.endswith("\n")
