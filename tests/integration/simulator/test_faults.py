"""Every fault of a connection, switched on at run time and observed on the wire by a plain client."""

import time

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from marketdata.dhan.packets import DisconnectPacket
from tests.integration.simulator.faults import (
    answers_pings,
    control,
    end_of,
    is_silent,
    is_streaming,
    streaming,
    switch_off,
    switch_on,
)
from tests.integration.simulator.feeds import RELIANCE, send_request, small_simulator, until_closed, url_of
from tests.waiting import wait_until_async

pytestmark = pytest.mark.asyncio


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
