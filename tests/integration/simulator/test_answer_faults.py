"""Faults of REST answers: odd items by name, in the first items or in all, on every route."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import httpx
import pytest

from simulator.answer_faults import SPOILERS, UNKNOWN_SEGMENT
from simulator.faults import REGISTRY
from tests.integration.simulator.faults import switch_off, switch_on
from tests.integration.simulator.feeds import RELIANCE, derivatives, small_simulator
from tests.simulators import PLAIN_HTTP

pytestmark = pytest.mark.asyncio

HEADERS = {"access-token": "sim-token", "client-id": "1000000001"}
KEYS = [RELIANCE, *derivatives("NIFTY", 2)]
REQUEST = {"NSE_EQ": [RELIANCE.security_id], "NSE_FNO": [key.security_id for key in KEYS[1:]]}


def items_of(answer: httpx.Response) -> list[Any]:
    return [item for segment in answer.json()["data"].values() for item in segment.values()]


async def fetch_quotes(faults: Mapping[str, float]) -> list[Any]:
    """Return the items of three instruments with these faults."""
    async with small_simulator(faults=faults) as running, httpx.AsyncClient(headers=HEADERS, verify=PLAIN_HTTP) as http:
        answer = await http.post(f"{running.rest_url}/marketfeed/quote", json=REQUEST)
    assert answer.status_code == 200
    return items_of(answer)


def is_good(item: Any) -> bool:
    """Return whether an item is as documented."""
    return (
        0 < item["last_price"] < 1e9
        and "/" in item["last_trade_time"]
        and [len(levels) for levels in item["depth"].values()] == [5, 5]
    )


@pytest.mark.parametrize(
    ("name", "is_odd"),
    [
        ("rest_null", lambda item: item is None),
        ("rest_missing", lambda item: "last_price" not in item),
        ("rest_text", lambda item: item["last_price"] == "-"),
        ("rest_nan", lambda item: math.isnan(item["last_price"])),
        ("rest_infinity", lambda item: item["last_price"] == math.inf),
        ("rest_negative", lambda item: item["last_price"] < 0),
        ("rest_huge", lambda item: item["last_price"] == 10**400),
        ("rest_list", lambda item: isinstance(item, list)),
        ("rest_null_sides", lambda item: item["depth"] == {"buy": None, "sell": None}),
        ("rest_short_depth", lambda item: [len(levels) for levels in item["depth"].values()] == [3, 3]),
        ("rest_long_depth", lambda item: [len(levels) for levels in item["depth"].values()] == [20, 20]),
        ("rest_iso_time", lambda item: datetime.fromisoformat(item["last_trade_time"])),
    ],
)
async def test_a_fault_of_items_changes_the_first_items_and_no_others(name: str, is_odd: Callable[[Any], bool]) -> None:
    odd, *good = await fetch_quotes({name: 1})

    assert is_odd(odd)
    assert [is_good(item) for item in good] == [True, True]


async def test_faults_of_items_can_be_combined() -> None:
    odd = await fetch_quotes({"rest_null_sides": -1, "rest_short_depth": -1, "rest_text": 1})

    assert [item["depth"] for item in odd] == [{"buy": None, "sell": None}] * 3
    assert [item["last_price"] == "-" for item in odd] == [True, False, False]


async def test_a_dial_of_minus_one_changes_all_items() -> None:
    async with (
        small_simulator(faults={"rest_null": -1}) as running,
        httpx.AsyncClient(headers=HEADERS, verify=PLAIN_HTTP) as http,
    ):
        answer = await http.post(f"{running.rest_url}/marketfeed/ltp", json=REQUEST)

    assert items_of(answer) == [None, None, None]


async def test_the_other_routes_have_odd_items_too() -> None:
    nifty = {"UnderlyingScrip": 13, "UnderlyingSeg": "IDX_I"}
    async with (
        small_simulator(faults={"rest_null": 1}) as running,
        httpx.AsyncClient(headers=HEADERS, verify=PLAIN_HTTP) as http,
    ):
        expiries = await http.post(f"{running.rest_url}/optionchain/expirylist", json=nifty)
        chain = await http.post(f"{running.rest_url}/optionchain", json={**nifty, "Expiry": expiries.json()["data"][1]})
        profile = await http.get(f"{running.rest_url}/profile")
        renewed = await http.get(
            f"{running.rest_url}/RenewToken", headers={"access-token": "sim-token", "dhanClientId": "1000000001"}
        )

    assert expiries.json()["data"][0] is None
    legs = [leg for strike in chain.json()["data"]["oc"].values() for leg in strike.values()]
    assert [leg is None for leg in legs].count(True) == 1
    assert profile.json()["dhanClientId"] is renewed.json()["dhanClientId"] is None
    assert profile.json()["dataPlan"] == "Active"


async def test_an_unknown_segment_is_added_to_the_answer() -> None:
    faults = {"rest_unknown_segment": 1.0}
    async with small_simulator(faults=faults) as running, httpx.AsyncClient(headers=HEADERS, verify=PLAIN_HTTP) as http:
        answer = await http.post(f"{running.rest_url}/marketfeed/ltp", json=REQUEST)

    assert list(answer.json()["data"]) == [UNKNOWN_SEGMENT, "NSE_EQ", "NSE_FNO"]


async def test_faults_of_whole_answers_can_be_switched_while_it_runs() -> None:
    async with small_simulator() as running, httpx.AsyncClient(headers=HEADERS, verify=PLAIN_HTTP) as http:
        answers = []
        for name, dial in (("rest_no_data", 1), ("rest_no_json", 1), ("rest_status", 503)):
            await switch_on(running, name, dial)
            answers.append(await http.get(f"{running.rest_url}/profile"))
            await switch_off(running)
        answers.append(await http.get(f"{running.rest_url}/profile"))

    assert [answer.status_code for answer in answers] == [200, 200, 503, 200]
    assert answers[0].json()["data"] is None
    with pytest.raises(json.JSONDecodeError):
        answers[1].json()
    assert answers[3].json()["dataPlan"] == "Active"


async def test_every_fault_of_items_is_listed() -> None:
    assert REGISTRY.keys() >= SPOILERS.keys()
    assert all(REGISTRY[name].default == 1 and not REGISTRY[name].is_per_connection for name in SPOILERS)
