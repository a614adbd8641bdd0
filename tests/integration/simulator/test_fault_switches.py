"""The control path of the simulator: the list of faults, invalid switches, and who may use it."""

import httpx
import pytest

from simulator.faults import REGISTRY
from tests.integration.simulator.faults import control, switch_on
from tests.integration.simulator.feeds import small_simulator
from tests.simulators import PLAIN_HTTP

pytestmark = pytest.mark.asyncio


async def test_the_list_contains_every_fault_and_the_active_dials() -> None:
    async with small_simulator() as running:
        await switch_on(running, "handshake_429", 3)
        async with control(running) as http:
            listed = (await http.get("/faults")).json()

        assert [one["name"] for one in listed] == list(REGISTRY)
        assert {one["name"]: one["dial"] for one in listed if one["dial"] is not None} == {"handshake_429": 3}
        assert all(one["unit"] and one["about"] and one["default"] is not None for one in listed)


@pytest.mark.parametrize(
    ("name", "body", "status", "sentence"),
    [
        ("gremlins", b'{"dial": 1}', 404, "Unknown fault 'gremlins'; --list-faults lists all faults."),
        ("mute", b'{"dial": 2}', 400, "The dial of mute must be between 1 and 1 (1: on)."),
        ("mute", b'{"dial": true}', 400, "The dial of mute must be a number (1: on)."),
        ("mute", b"{}", 400, "The dial of mute must be a number (1: on)."),
        ("tcp_reset", b'{"dial": -1}', 400, "The dial of tcp_reset must be between 0 and 86400 (seconds after opening"),
        (
            "handshake_429",
            b'{"dial": 1.5}',
            400,
            "The dial of handshake_429 must be a whole number (handshakes in a row",
        ),
        ("auth_shape", b'{"dial": 17}', 400, "The dial of auth_shape must be 1 to 4, or 807, 808 or 809."),
        ("mute", b'{"dial": 1, "connection": 3}', 400, "There is no connection 3; 0 are open."),
        ("mute", b'{"dial": 1, "connection": "a"}', 400, "The connection must be a whole number, or null for all."),
        (
            "handshake_429",
            b'{"dial": 1, "connection": 1}',
            400,
            "handshake_429 cannot be switched on for a single connection.",
        ),
        ("mute", b"no json", 400, "The body must be a JSON object."),
        ("mute", b"[]", 400, "The body must be a JSON object."),
    ],
)
async def test_invalid_input_is_refused_with_a_message(name: str, body: bytes, status: int, sentence: str) -> None:
    async with small_simulator() as running, control(running) as http:
        answer = await http.put(f"/faults/{name}", content=body)
        listed = (await http.get("/faults")).json()

    assert answer.status_code == status
    assert answer.json()["error"].startswith(sentence)
    assert all(one["dial"] is None for one in listed)


async def test_an_unknown_fault_cannot_be_switched_off() -> None:
    async with small_simulator() as running, control(running) as http:
        assert (await http.delete("/faults/gremlins")).status_code == 404


@pytest.mark.parametrize("path", ["/faults", "/connections", "/subscribed"])
async def test_the_control_path_answers_loopback_addresses_only(path: str) -> None:
    """The client's address is checked; 127.0.0.2 stands for another machine."""
    elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2", verify=PLAIN_HTTP)
    async with small_simulator() as running, control(running) as http:
        async with httpx.AsyncClient(base_url=http.base_url, transport=elsewhere) as other_machine:
            assert (await other_machine.get(path)).status_code == 404
            assert (await other_machine.put("/faults/mute", json={"dial": 1})).status_code == 404
            assert (await other_machine.delete("/faults")).status_code == 404
            assert (await other_machine.post("/token", json={})).status_code == 404

        assert (await http.get(path)).status_code == 200
        assert running.feed.faults.state("mute") is None
