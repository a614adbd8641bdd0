"""The simulator's live feed with plain WebSocket clients: packets and limits."""

import asyncio
import json
import time

import httpx
import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from marketdata.dhan import packets
from marketdata.dhan.packets import DisconnectPacket
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import FullTick, OiTick, PreviousCloseTick, QuoteTick, TickerTick
from tests.integration.simulator.feeds import (
    NIFTY,
    RELIANCE,
    SENSEX,
    client_of,
    derivatives,
    next_packet,
    send_request,
    small_files,
    small_simulator,
    until_closed,
    url_of,
)
from tests.simulators import PLAIN_HTTP
from tests.waiting import wait_until_async

pytestmark = pytest.mark.asyncio

UNLISTED = InstrumentKey(ExchangeSegment.NSE_EQ, 999_999_999)


@pytest.mark.parametrize("missing", ["version", "token", "clientId", "authType"])
async def test_a_missing_parameter_is_answered_with_400_at_the_handshake(missing: str) -> None:
    async with small_simulator() as running:
        query = "&".join(part for part in url_of(running).split("?")[1].split("&") if not part.startswith(missing))

        with pytest.raises(InvalidStatus) as refusal:
            await connect(f"{running.feed_url}/?{query}")

    assert refusal.value.response.status_code == 400
    assert refusal.value.response.body == f"missing query parameter {missing}".encode()


@pytest.mark.parametrize(("token", "client_id"), [("wrong", "1000000001"), ("sim-token", "2")])
async def test_wrong_credentials_get_808_and_a_close(token: str, client_id: str) -> None:
    async with small_simulator() as running, connect(url_of(running, token=token, client_id=client_id)) as client:
        assert await until_closed(client) == [DisconnectPacket(808)]
        assert running.feed.account.opened == 0


async def test_a_subscribed_index_sends_its_previous_close_and_then_a_ticker() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await send_request(client, 15, [NIFTY])

        first, second = await next_packet(client), await next_packet(client)

        assert first == PreviousCloseTick(NIFTY, 25_920.0, 0)
        assert isinstance(second, TickerTick)
        assert second.ltp == pytest.approx(25_920, rel=0.03)
        assert abs(second.ltt - 19_800 - time.time()) < 3


async def test_a_quoted_derivative_sends_open_interest_before_each_quote() -> None:
    (future,) = derivatives("NIFTY", 1)
    async with small_simulator() as running, client_of(running) as client:
        await send_request(client, 17, [future])

        found = [await next_packet(client) for _ in range(6)]

        assert [type(packet) for packet in found] == [OiTick, QuoteTick] * 3


async def test_a_quoted_share_sends_quotes_only() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await send_request(client, 17, [RELIANCE])

        found = [await next_packet(client) for _ in range(3)]

        assert [type(packet) for packet in found] == [QuoteTick] * 3


async def test_modes_of_one_instrument_are_subscribed_and_unsubscribed_separately() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await send_request(client, 15, [RELIANCE])
        await send_request(client, 21, [RELIANCE])
        (session,) = running.feed.account.connections
        await wait_until_async(lambda: session.instruments == 2, message="two instruments are subscribed")
        kinds = {type(await next_packet(client)) for _ in range(6)}
        assert kinds == {TickerTick, FullTick}

        await send_request(client, 22, [RELIANCE])
        await wait_until_async(lambda: session.instruments == 1, message="one instrument is subscribed")
        last = [await next_packet(client) for _ in range(6)]

        assert {type(packet) for packet in last[-3:]} == {TickerTick}


async def test_the_unsubscribe_code_of_another_mode_has_no_effect() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await send_request(client, 21, [RELIANCE])
        await send_request(client, 16, [RELIANCE])
        await send_request(client, 18, [RELIANCE])

        found = [await next_packet(client) for _ in range(6)]

        assert {type(packet) for packet in found} == {FullTick}
        assert running.feed.account.connections[0].instruments == 1


async def test_an_unlisted_instrument_yields_no_packet() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await send_request(client, 21, [UNLISTED, RELIANCE])

        found = [await next_packet(client) for _ in range(4)]

        assert {packet.key for packet in found if isinstance(packet, FullTick)} == {RELIANCE}


@pytest.mark.parametrize(
    "nonsense",
    [
        "no json",
        b"\x0c\x53\x00" + bytes(80),
        json.dumps({"RequestCode": 99}),
        json.dumps({"RequestCode": 23, "InstrumentList": [{"ExchangeSegment": "NSE_EQ", "SecurityId": "2885"}]}),
        json.dumps({"RequestCode": 21, "InstrumentList": [{"ExchangeSegment": "MARS", "SecurityId": "2885"}]}),
    ],
    ids=["text", "the SDK's good-bye", "unknown code", "depth", "unknown segment"],
)
async def test_an_invalid_message_is_ignored_and_the_connection_stays_open(nonsense: str | bytes) -> None:
    async with small_simulator() as running, client_of(running) as client:
        await client.send(nonsense)
        await send_request(client, 21, [RELIANCE])

        assert isinstance(await next_packet(client), FullTick)


async def test_the_sixth_connection_drops_the_oldest_with_805() -> None:
    async with small_simulator() as running:
        oldest = await connect(url_of(running), max_queue=None)
        await send_request(oldest, 21, [RELIANCE])
        assert isinstance(await next_packet(oldest), FullTick)
        others = [await connect(url_of(running), max_queue=None) for _ in range(4)]
        assert len(running.feed.account.connections) == 5

        sixth = await connect(url_of(running), max_queue=None)

        assert (await until_closed(oldest))[-1] == DisconnectPacket(805)
        await send_request(sixth, 21, [RELIANCE])
        assert isinstance(await next_packet(sixth), FullTick)
        assert [session.number for session in running.feed.account.connections] == [2, 3, 4, 5, 6]
        for client in (*others, sixth):
            await client.close()


async def test_five_thousand_instruments_are_streamed_and_the_next_is_answered_with_804() -> None:
    keys = derivatives("NIFTY", 5_001)
    async with small_simulator(files=small_files()) as running, client_of(running) as client:
        for start in range(0, 5_000, 100):
            await send_request(client, 21, keys[start : start + 100])
        (session,) = running.feed.account.connections
        await wait_until_async(lambda: session.instruments == 5_000, message="5,000 instruments are subscribed")

        await send_request(client, 21, keys[5_000:])

        found = await until_closed(client)
        assert found[-1] == DisconnectPacket(804)
        assert len({packet.key for packet in found if isinstance(packet, FullTick)}) == 5_000


async def test_a_message_of_more_than_a_hundred_is_answered_with_804() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await send_request(client, 21, derivatives("NIFTY", 101))

        found = await until_closed(client)

        assert found[-1] == DisconnectPacket(804)
        assert len({packet.key for packet in found if isinstance(packet, FullTick)}) == 100


async def test_a_disconnect_request_closes_the_socket_cleanly() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await send_request(client, 12)

        assert await until_closed(client) == []
        assert client.close_code == 1000
        await wait_until_async(lambda: running.feed.account.connections == [], message="no session is left")


async def test_one_message_is_one_packet_unless_stacked() -> None:
    keys = derivatives("NIFTY", 60)
    async with small_simulator(faults={"stacked": 50}) as running, client_of(running) as client:
        await send_request(client, 21, keys)

        first, second = await client.recv(), await client.recv()

        assert isinstance(first, bytes)
        assert isinstance(second, bytes)
        assert [len(first), len(second)] == [50 * 162, 10 * 162]
        found = [packets.decode(packet) for message in (first, second) for packet in packets.split(message)]
        assert [packet.key for packet in found if isinstance(packet, FullTick)] == keys


async def test_every_subscribed_instrument_keeps_sending() -> None:
    keys = [NIFTY, SENSEX, *derivatives("BANKNIFTY", 90)]
    async with small_simulator(rate=200) as running, client_of(running) as client:
        await send_request(client, 21, keys)
        seen: dict[InstrumentKey, int] = dict.fromkeys(keys, 0)

        async with asyncio.timeout(15):
            while min(seen.values()) < 3:
                packet = await next_packet(client)
                if isinstance(packet, FullTick):
                    seen[packet.key] += 1

        assert seen[NIFTY] > seen[keys[-1]]


async def test_the_control_api_counts_the_subscribed_instruments() -> None:
    keys = derivatives("NIFTY", 30)
    async with small_simulator() as running, client_of(running) as client, client_of(running) as other:
        await send_request(client, 21, keys)
        await send_request(other, 15, [NIFTY, keys[0]])
        await send_request(client, 22, keys[10:])
        sessions = running.feed.account.connections
        await wait_until_async(
            lambda: [session.instruments for session in sessions] == [10, 2],
            message="10 and 2 instruments are subscribed",
        )
        control = running.rest_url.removesuffix("/v2")

        async with httpx.AsyncClient(base_url=control, trust_env=False, verify=PLAIN_HTTP) as http:
            counted = (await http.get("/_sim/connections")).json()
            subscribed = (await http.get("/_sim/subscribed")).json()

        assert [one["number"] for one in counted["connections"]] == [1, 2]
        assert [one["instruments"] for one in counted["connections"]] == [10, 2]
        assert {one["client_id"] for one in counted["connections"]} == {"1000000001"}
        assert (counted["instruments"], counted["high_water"], counted["opened"]) == (12, 2, 2)
        assert counted["packets_sent"] >= sum(one["packets_sent"] for one in counted["connections"]) >= 32
        assert len(subscribed) == 11
        assert set(subscribed) == {str(key) for key in (NIFTY, *keys[:10])}


class Silent(WSListener):
    """A client that never answers a ping and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.pings = 0
        self.closed = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002  # picows names it.
        self.pings += frame.msg_type == WSMsgType.PING

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  # picows names it.
        self.closed.set()


async def test_a_client_that_answers_no_ping_is_dropped() -> None:
    async with small_simulator(ping_every_seconds=0.1, pong_within_seconds=0.5) as running:
        _, silent = await ws_connect(Silent, url_of(running), enable_auto_pong=False)
        assert isinstance(silent, Silent)

        async with asyncio.timeout(5):
            await silent.closed.wait()

        assert 3 <= silent.pings <= 6
        await wait_until_async(lambda: running.feed.account.connections == [], message="no session is left")


async def test_a_client_that_answers_pings_stays_connected_and_gets_pongs() -> None:
    async with (
        small_simulator(ping_every_seconds=0.1, pong_within_seconds=0.5) as running,
        client_of(running) as client,
    ):
        await send_request(client, 15, [NIFTY])
        opened_at = time.monotonic()

        while time.monotonic() - opened_at < 1.2:
            await next_packet(client)

        async with asyncio.timeout(5):
            await (await client.ping())
        assert len(running.feed.account.connections) == 1
