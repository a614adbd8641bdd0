"""Every fault of the simulator, switched on at run time and observed on the wire by a plain client."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from marketdata.dhan.packets import DisconnectPacket
from marketdata.domain.quotes import FullTick
from simulator.faults import REGISTRY
from simulator.server import RunningSimulator
from tests.integration.simulator.feeds import (
    RELIANCE,
    client_of,
    next_packet,
    send_request,
    small_simulator,
    until_closed,
    url_of,
)
from tests.waiting import wait_until_async

pytestmark = pytest.mark.asyncio

SILENCE_SECONDS = 0.6
"""With one share subscribed the feed sends about four packets a second."""


@asynccontextmanager
async def control(running: RunningSimulator) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the control path."""
    url = running.rest_url.removesuffix("/v2") + "/_sim"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield http


async def switch_on(running: RunningSimulator, name: str, dial: float = 1, connection: int | None = None) -> None:
    async with control(running) as http:
        answer = await http.put(f"/faults/{name}", json={"dial": dial, "connection": connection})
    assert answer.status_code == 200, answer.text


async def switch_off(running: RunningSimulator) -> None:
    async with control(running) as http:
        assert (await http.delete("/faults")).status_code == 200


@asynccontextmanager
async def streaming(running: RunningSimulator) -> AsyncIterator[ClientConnection]:
    """Yield a client that has received a packet of its subscription."""
    async with client_of(running) as client:
        await send_request(client, 21, [RELIANCE])
        assert isinstance(await next_packet(client), FullTick)
        yield client


async def is_silent(client: ClientConnection, seconds: float = SILENCE_SECONDS) -> bool:
    """Return whether no packet arrives for a while, after those in flight."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            async with asyncio.timeout(seconds):
                await client.recv()
        except TimeoutError:
            return True
    return False


async def answers_pings(client: ClientConnection, seconds: float = 2.0) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await (await client.ping())
    except TimeoutError:
        return False
    return True


async def end_of(client: ClientConnection) -> ConnectionClosed:
    """Return how the connection ended."""
    async with asyncio.timeout(10):
        try:
            while True:
                await client.recv()
        except ConnectionClosed as closed:
            return closed


async def is_streaming(client: ClientConnection) -> bool:
    return isinstance(await next_packet(client), FullTick)


async def test_tcp_reset_ends_open_sockets_and_not_later_ones() -> None:
    async with small_simulator() as running, streaming(running) as client:
        await switch_on(running, "tcp_reset", 0)

        ended = await end_of(client)

        assert ended.rcvd is None
        assert isinstance(ended.__cause__, ConnectionResetError)
        async with streaming(running) as again:
            assert await is_streaming(again)


async def test_tcp_reset_with_an_age_ends_every_socket_at_that_age() -> None:
    async with small_simulator() as running:
        await switch_on(running, "tcp_reset", 0.3)
        for _ in range(2):
            async with streaming(running) as client:
                opened_at = time.monotonic()
                assert isinstance((await end_of(client)).__cause__, ConnectionResetError)
                assert time.monotonic() - opened_at > 0.1


async def test_close_without_frame_ends_the_socket_without_a_reset() -> None:
    async with small_simulator() as running, streaming(running) as client:
        await switch_on(running, "close_without_frame", 0)

        ended = await end_of(client)

        assert ended.rcvd is None
        assert not isinstance(ended.__cause__, ConnectionResetError)


async def test_half_open_answers_nothing_and_stays_open() -> None:
    async with (
        small_simulator(ping_every_seconds=0.1, pong_within_seconds=0.4) as running,
        streaming(running) as client,
    ):
        await switch_on(running, "half_open")

        assert await is_silent(client)
        assert not await answers_pings(client, 1.0)
        assert len(running.feed.account.connections) == 1

        await switch_off(running)
        assert await is_streaming(client)


async def test_half_open_can_be_for_one_socket() -> None:
    async with small_simulator() as running, streaming(running) as one, streaming(running) as other:
        await switch_on(running, "half_open", connection=2)

        assert await is_silent(other)
        assert await is_streaming(one)
        assert await answers_pings(one)
        await switch_off(running)  # Otherwise the client's close frame is not answered either.


async def test_mute_sends_no_data_and_answers_pings() -> None:
    async with small_simulator() as running, streaming(running) as client:
        await switch_on(running, "mute")

        assert await is_silent(client)
        assert await answers_pings(client)

        await switch_off(running)
        assert await is_streaming(client)


async def test_mute_does_not_apply_to_the_socket_that_replaces_a_muted_one() -> None:
    async with small_simulator() as running:
        async with streaming(running) as client:
            await switch_on(running, "mute", connection=1)
            assert await is_silent(client)
        async with streaming(running) as again:
            assert await is_streaming(again)


async def test_burst_then_silence_sends_for_a_limited_time() -> None:
    async with small_simulator() as running:
        await switch_on(running, "burst_then_silence", 0.7)
        async with streaming(running) as client:
            assert await is_streaming(client)
            assert await is_silent(client)
            assert await answers_pings(client)


async def test_stall_one_stalls_the_oldest_socket() -> None:
    async with small_simulator() as running, streaming(running) as one, streaming(running) as other:
        await switch_on(running, "stall_one")

        assert await is_silent(one)
        assert await is_streaming(other)


@pytest.mark.parametrize("status", [400, 429])
async def test_the_dial_is_the_number_of_refused_handshakes(status: int) -> None:
    async with small_simulator() as running:
        await switch_on(running, f"handshake_{status}", 2)
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(url_of(running))
            assert refusal.value.response.status_code == status

        async with streaming(running) as client:
            assert await is_streaming(client)


async def test_a_negative_dial_refuses_all_handshakes() -> None:
    async with small_simulator() as running:
        await switch_on(running, "handshake_429", -1)
        for _ in range(3):
            with pytest.raises(InvalidStatus):
                await connect(url_of(running))

        await switch_off(running)
        async with streaming(running) as client:
            assert await is_streaming(client)


async def test_first_reconnect_refused_accepts_the_second_reconnect() -> None:
    async with small_simulator() as running:
        await switch_on(running, "first_reconnect_refused")
        async with streaming(running) as client:
            assert await is_streaming(client)
        await wait_until_async(lambda: running.feed.account.connections == [], message="no session is left")

        with pytest.raises(InvalidStatus) as refusal:
            await connect(url_of(running))

        assert refusal.value.response.status_code == 400
        async with streaming(running) as client:
            assert await is_streaming(client)


async def test_old_slot_held_makes_a_fast_reconnect_exceed_the_limit() -> None:
    async with small_simulator() as running:
        await switch_on(running, "old_slot_held", 60)
        clients = [await connect(url_of(running), max_queue=None) for _ in range(5)]
        await clients[3].close()
        await wait_until_async(lambda: len(running.feed.account.connections) == 4, message="four sessions are left")

        again = await connect(url_of(running), max_queue=None)

        assert await until_closed(clients[0]) == [DisconnectPacket(805)]
        assert running.feed.account.high_water == 5
        assert [session.number for session in running.feed.account.connections] == [2, 3, 5, 6]
        for client in (*clients, again):
            await client.close()


async def test_a_held_slot_becomes_free_after_its_time() -> None:
    async with small_simulator() as running:
        await switch_on(running, "old_slot_held", 0.2)
        clients = [await connect(url_of(running), max_queue=None) for _ in range(5)]
        await clients[3].close()
        await wait_until_async(lambda: len(running.feed.account.connections) == 4, message="four sessions are left")
        closed_at = time.monotonic()
        await wait_until_async(lambda: time.monotonic() - closed_at > 0.3, message="0.3 s have passed")

        again = await connect(url_of(running), max_queue=None)

        assert await answers_pings(clients[0])
        assert len(running.feed.account.connections) == 5
        for client in (*clients, again):
            await client.close()


async def test_any_disconnect_code_is_sent_before_the_close() -> None:
    async with small_simulator() as running:
        for code in (800, 804, 805, 806, 807, 808, 809, 810, 814, 65_535):
            async with streaming(running) as client:
                await switch_on(running, "disconnect_code", code)

                assert (await until_closed(client))[-1] == DisconnectPacket(code)
                assert client.close_code == 1000


async def test_disconnect_code_can_be_for_one_socket() -> None:
    async with small_simulator() as running, streaming(running) as one, streaming(running) as other:
        await switch_on(running, "disconnect_code", 800, connection=1)

        assert (await until_closed(one))[-1] == DisconnectPacket(800)
        assert await is_streaming(other)


async def test_shape_1_refuses_a_token_at_the_handshake() -> None:
    async with small_simulator() as running:
        await switch_on(running, "auth_shape", 1)
        with pytest.raises(InvalidStatus) as refusal:
            await connect(url_of(running, token="wrong"))
        assert refusal.value.response.status_code == 400


@pytest.mark.parametrize(("shape", "found"), [(3, 808), (807, 807), (809, 809)])
async def test_shapes_3_807_and_809_refuse_a_token_with_a_disconnect_code(shape: int, found: int) -> None:
    async with small_simulator() as running:
        await switch_on(running, "auth_shape", shape)
        async with connect(url_of(running, token="wrong")) as client:
            assert await until_closed(client) == [DisconnectPacket(found)]


@pytest.mark.parametrize("shape", [2, 4])
async def test_shapes_2_and_4_refuse_a_token_without_a_packet(shape: int) -> None:
    async with small_simulator() as running:
        await switch_on(running, "auth_shape", shape)
        # A reset may overtake the answer to the handshake.
        try:
            client = await connect(url_of(running, token="wrong"))
        except ConnectionResetError:
            assert shape == 4
            return
        ended = await end_of(client)
        assert ended.rcvd is None
        assert isinstance(ended.__cause__, ConnectionResetError) == (shape == 4)


async def test_token_rollover_closes_open_sockets_and_refuses_the_old_token() -> None:
    async with small_simulator() as running, streaming(running) as client:
        await switch_on(running, "token_rollover")

        assert (await until_closed(client))[-1] == DisconnectPacket(809)
        async with connect(url_of(running)) as again:
            assert await until_closed(again) == [DisconnectPacket(809)]
        async with control(running) as http:
            token = (await http.post("/token", json={})).json()["access_token"]
        async with connect(url_of(running, token=token)) as renewed:
            await send_request(renewed, 21, [RELIANCE])
            assert await is_streaming(renewed)


async def test_token_rollover_can_keep_sockets_open() -> None:
    async with small_simulator() as running, streaming(running) as client:
        await switch_on(running, "token_rollover", 2)

        assert await is_streaming(client)
        async with connect(url_of(running)) as again:
            assert await until_closed(again) == [DisconnectPacket(809)]


async def test_an_expired_token_gets_807() -> None:
    async with small_simulator() as running:
        async with control(running) as http:
            token = (await http.post("/token", json={"hours": -1})).json()["access_token"]
        async with connect(url_of(running, token=token)) as client:
            assert await until_closed(client) == [DisconnectPacket(807)]


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
    elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    async with small_simulator() as running, control(running) as http:
        async with httpx.AsyncClient(base_url=http.base_url, transport=elsewhere) as other_machine:
            assert (await other_machine.get(path)).status_code == 404
            assert (await other_machine.put("/faults/mute", json={"dial": 1})).status_code == 404
            assert (await other_machine.delete("/faults")).status_code == 404
            assert (await other_machine.post("/token", json={})).status_code == 404

        assert (await http.get(path)).status_code == 200
        assert running.feed.faults.state("mute") is None
