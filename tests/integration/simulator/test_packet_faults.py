"""Faults that alter or delay packets, observed on the wire by a plain client."""

import asyncio
import math
import time
from collections.abc import Iterable, Mapping

import pytest
from websockets.asyncio.client import ClientConnection

from marketdata.dhan import packets
from marketdata.dhan.packets import HEADER, LENGTH_OF, DecodeError, PacketCode
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quotes import FullTick, PreviousCloseTick, QuoteTick, TickerTick
from marketdata.domain.tick_rules import WIRE_VOLUMES
from tests.integration.simulator.faults import is_silent, switch_off, switch_on
from tests.integration.simulator.feeds import (
    NIFTY,
    RELIANCE,
    client_of,
    derivatives,
    next_packet,
    send_request,
    small_simulator,
)
from tests.waiting import wait_until_async

pytestmark = pytest.mark.asyncio

FULL = LENGTH_OF[PacketCode.FULL]
KNOWN = {code.value for code in PacketCode}


async def messages(client: ClientConnection, count: int) -> list[bytes]:
    """Return the next messages."""
    found = [await client.recv() for _ in range(count)]
    return [message for message in found if isinstance(message, bytes)]


async def messages_with(
    faults: Mapping[str, float], *, keys: Iterable[InstrumentKey] | None = None, code: int = 21, count: int = 80
) -> list[bytes]:
    """Return the first messages of a simulator that began with `faults`."""
    async with small_simulator(faults=faults) as running, client_of(running) as client:
        await send_request(client, code, derivatives("NIFTY", 40) if keys is None else keys)
        return await messages(client, count)


async def next_volume(client: ClientConnection, *, above: bool) -> int:
    """Return the next volume above half the range of the field, or below it."""
    async with asyncio.timeout(10):
        while True:
            tick = await next_packet(client)
            if isinstance(tick, FullTick) and (tick.volume > WIRE_VOLUMES // 2) == above:
                return tick.volume


def invalid_property_of(tick: TickerTick | QuoteTick | FullTick) -> list[str]:
    """Return the invalid property of `tick`."""
    wrongs = {
        "nan_price": math.isnan(tick.ltp),
        "zero_price": tick.ltp == 0,
        "negative_price": tick.ltp < 0,
        "ltt_zero": tick.ltt == 0,
    }
    return [name for name, is_so in wrongs.items() if is_so]


async def test_truncated_packets_are_shorter_than_their_length_field() -> None:
    found = await messages_with({"truncated": 0.5})

    cut = [message for message in found if len(message) < FULL]
    assert 10 < len(cut) < 70
    for message in cut:
        with pytest.raises(DecodeError):
            list(packets.split(message))
    for message in set(found) - set(cut):
        assert isinstance(packets.decode(message), FullTick)


async def test_concatenated_packets_share_a_message() -> None:
    found = await messages_with({"concatenated": 0.5}, count=40)

    sizes = {len(message) // FULL for message in found}
    assert {1, 2} <= sizes
    assert all(len(message) % FULL == 0 for message in found)


async def test_stacked_packets_share_messages_until_it_is_switched_off() -> None:
    keys = derivatives("NIFTY", 60)
    async with small_simulator() as running, client_of(running) as client:
        await switch_on(running, "stacked", 25)
        await send_request(client, 21, keys)
        first = await messages(client, 3)
        assert [len(message) // FULL for message in first] == [25, 25, 10]

        await switch_off(running)
        await wait_until_async(lambda: not running.feed.faults.faults_of(1), message="the fault has ended")
        await send_request(client, 22, keys)
        await send_request(client, 15, keys)

        tickers = [message for message in await messages(client, 120) if message[0] == PacketCode.TICKER]
        assert {len(message) for message in tickers} == {LENGTH_OF[PacketCode.TICKER]}


async def test_oversized_packets_state_their_actual_length() -> None:
    found = await messages_with({"oversized": 0.5})

    long = [message for message in found if len(message) > FULL]
    assert 10 < len(long) < 70
    for message in long:
        assert list(packets.split(message)) == [message]
        with pytest.raises(DecodeError):
            packets.decode(message)


async def test_unknown_packets_are_sent_among_others_and_can_be_skipped() -> None:
    found = await messages_with({"unknown_packets": 0.5, "stacked": 10}, count=10)

    parts = [part for message in found for part in packets.split(message)]
    unknown = [part for part in parts if part[0] not in KNOWN]
    assert len(unknown) > 10
    assert {len(part) == HEADER.unpack_from(part)[1] for part in unknown} == {True}
    assert all(isinstance(packets.decode(part), FullTick) for part in parts if part not in unknown)


@pytest.mark.parametrize(("code", "kind"), [(15, TickerTick), (17, QuoteTick), (21, FullTick)])
@pytest.mark.parametrize("name", ["nan_price", "zero_price", "negative_price", "ltt_zero"])
async def test_a_share_of_packets_has_an_invalid_price_or_time(
    name: str, code: int, kind: type[TickerTick | QuoteTick | FullTick]
) -> None:
    found = await messages_with({name: 0.5}, code=code)

    ticks = [tick for tick in map(packets.decode, found) if isinstance(tick, kind)]
    wrong = [tick for tick in ticks if invalid_property_of(tick)]
    assert 0.1 < len(wrong) / len(ticks) < 0.9
    assert {tuple(invalid_property_of(tick)) for tick in wrong} == {(name,)}


async def test_duplicate_packets_are_sent_twice_in_a_row() -> None:
    found = await messages_with({"duplicates": 1}, keys=[RELIANCE], count=6)

    assert found[0::2] == found[1::2]
    assert len(set(found)) == 3


async def test_out_of_order_packets_are_sent_after_a_newer_one() -> None:
    found = await messages_with({"out_of_order": 1}, keys=[RELIANCE], count=4)

    ticks = [packets.decode(message) for message in found]
    volumes = [tick.volume for tick in ticks if isinstance(tick, FullTick)]
    assert [volumes.index(volume) for volume in sorted(volumes)] == [1, 0, 3, 2]


async def test_volumes_wrap_on_the_wire_and_grow_in_the_market() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await send_request(client, 21, [RELIANCE])
        assert isinstance(await next_packet(client), FullTick)

        await switch_on(running, "volume_wrap", 20)

        assert await next_volume(client, above=True) < WIRE_VOLUMES
        wrapped = await next_volume(client, above=False)
        assert running.feed.market.volume[running.feed.market.row_of[RELIANCE]] >= WIRE_VOLUMES + wrapped


async def test_late_packets_follow_an_unsubscribe_for_a_limited_time() -> None:
    async with small_simulator(rate=1) as running, client_of(running) as client:
        await switch_on(running, "late_after_unsubscribe", 3)
        await send_request(client, 21, [RELIANCE])
        assert isinstance(await next_packet(client), FullTick)

        await send_request(client, 22, [RELIANCE])
        await wait_until_async(
            lambda: running.feed.account.connections[0].instruments == 0, message="nothing is subscribed"
        )

        for _ in range(3):
            assert isinstance(await next_packet(client), FullTick)
        assert await is_silent(client)


async def test_an_unsubscribe_can_be_ignored() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await switch_on(running, "unsubscribe_ignored")
        await send_request(client, 21, [RELIANCE])
        await send_request(client, 22, [RELIANCE])
        await send_request(client, 15, [NIFTY])
        while not isinstance(await next_packet(client), PreviousCloseTick):
            pass

        assert FullTick in {type(await next_packet(client)) for _ in range(8)}
        assert running.feed.account.connections[0].instruments == 2


async def test_no_snapshot_sends_only_the_previous_close_of_indices() -> None:
    async with small_simulator(rate=20) as running, client_of(running) as client:
        await switch_on(running, "no_snapshot")
        keys = derivatives("NIFTY", 50)
        await send_request(client, 21, [NIFTY, *keys])

        assert isinstance(await next_packet(client), PreviousCloseTick)
        await wait_until_async(
            lambda: running.feed.packets_sent >= 5, message="five packets are sent"
        )  # Every instrument trades after some time.
        assert running.feed.packets_sent < len(keys)


async def test_a_delayed_feed_has_past_trade_times() -> None:
    async with small_simulator() as running, client_of(running) as client:
        await switch_on(running, "delayed_feed", 1)
        asked_at = time.monotonic()
        await send_request(client, 21, [RELIANCE])

        tick = await next_packet(client)

        assert time.monotonic() - asked_at >= 1
        assert isinstance(tick, FullTick)
        assert time.time() - (tick.ltt - packets.IST_OFFSET_SECONDS) >= 1


async def test_slow_drip_limits_the_bytes_per_second_and_keeps_frames_whole() -> None:
    async with small_simulator(ping_every_seconds=0.05) as running, client_of(running) as client:
        await switch_on(running, "slow_drip", 400)
        started_at = time.monotonic()
        await send_request(client, 21, derivatives("NIFTY", 90))

        found = await messages(client, 5)

        # The budget of one second may have accumulated.
        assert time.monotonic() - started_at >= (5 * FULL - 400) / 400 - 0.1
        assert [len(message) for message in found] == [FULL] * 5
        await switch_off(running)
        assert len(await messages(client, 90)) == 90
