"""The quote board with a real Redis: frames, cached rows, reports, nudges and requests for full frames."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pytest
import pytest_asyncio
import redis
import redis.asyncio

from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import QUOTE_ROW, ROW_LAYOUT, BusFrame, FrameKind, Known, Rows, encode_frame
from marketdata.domain.tick_rules import DayVolume
from marketdata.quote_board import (
    BoardError,
    HubBoard,
    OwnerBoard,
    OwnerRequest,
    QuoteBoard,
    StaleEpoch,
    pack_keys,
)

pytestmark = pytest.mark.asyncio

LOST_AFTER_SECONDS = 2.0
"""Scaled down from 5 s; the ping is sent after 0.8 s without a message."""


@pytest_asyncio.fixture
async def client(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    async with redis.asyncio.Redis.from_url(redis_url) as one:
        yield one


@pytest.fixture
def owner(client: "redis.asyncio.Redis", redis_prefix: str) -> OwnerBoard:
    return OwnerBoard(client, redis_prefix)


@pytest.fixture
def hub(client: "redis.asyncio.Redis", redis_prefix: str) -> HubBoard:
    return HubBoard(client, redis_prefix)


@pytest_asyncio.fixture
async def board(redis_url: str, redis_prefix: str) -> AsyncIterator[QuoteBoard]:
    with redis.Redis.from_url(redis_url) as one:
        yield QuoteBoard(one, redis_prefix)


def make_rows(prices: dict[int, float], *, at_ms: int = 1_000) -> Rows:
    rows = np.zeros(len(prices), dtype=QUOTE_ROW)
    rows["instrument_id"] = list(prices)
    rows["ltp"] = list(prices.values())
    rows["known"] = Known.TRADE
    rows["received_at_ms"] = at_ms
    return rows


def make_frame(*, sequence: int, connection: int = 2) -> BusFrame:
    return BusFrame(FrameKind.CHANGES, connection, 5, sequence, 1_000, make_rows({7: 1.5}))


def make_report(*, connection: int = 2) -> ConnectionReport:
    return ConnectionReport(connection, "host:1", 5, ConnectionState.LIVE, 50, 50, 49, 1_000, 12.5, None, 2_000, "")


def prices_of(rows: Rows) -> dict[int, float]:
    return {int(row["instrument_id"]): float(row["ltp"]) for row in rows}


async def test_a_hub_that_has_joined_receives_every_frame_of_every_connection(owner: OwnerBoard, hub: HubBoard) -> None:
    async with asyncio.timeout(10), hub.frames() as frames:
        for sequence, connection in ((1, 2), (2, 2), (1, 5)):
            await owner.publish(make_frame(sequence=sequence, connection=connection))

        received = [await anext(frames) for _ in range(3)]

    assert [(one.connection, one.sequence, one.epoch) for one in received] == [(2, 1, 5), (2, 2, 5), (5, 1, 5)]
    assert prices_of(received[0].rows) == {7: 1.5}


async def test_full_frame_requests_and_nudges_wake_the_owners(
    owner: OwnerBoard, hub: HubBoard, board: QuoteBoard
) -> None:
    async with asyncio.timeout(10), aclosing(owner.requests()) as wakes:
        first = asyncio.ensure_future(anext(wakes))
        while not first.done():  # A nudge before the owner listens is lost.
            board.nudge()
            await asyncio.wait([first], timeout=0.05)
        await hub.request_full_frame(4)

        received = [await first]
        while received[-1].full_frame_of is None:
            received.append(await anext(wakes))

    assert received[0] == OwnerRequest(full_frame_of=None)
    assert received[-1] == OwnerRequest(full_frame_of=4)


async def test_cached_rows_are_read_by_instrument_and_by_connection(
    owner: OwnerBoard, hub: HubBoard, board: QuoteBoard
) -> None:
    await owner.cache_rows(connection=1, epoch=3, rows=make_rows({7: 1.5, 8: 2.5}), dropped=(), replace_all=True)
    await owner.cache_rows(connection=2, epoch=9, rows=make_rows({9: 3.5}), dropped=(), replace_all=True)

    epoch, rows = await hub.read_cache(1)

    assert (epoch, prices_of(rows)) == (3, {7: 1.5, 8: 2.5})
    assert {key: float(row["ltp"]) for key, (_, row) in board.read_cached([8, 9, 10]).items()} == {8: 2.5, 9: 3.5}
    assert board.read_cached([]) == {}
    empty_epoch, nothing = await hub.read_cache(3)
    assert (empty_epoch, len(nothing)) == (0, 0)


async def test_the_newest_row_of_a_moved_instrument_is_read(owner: OwnerBoard, board: QuoteBoard) -> None:
    await owner.cache_rows(connection=1, epoch=3, rows=make_rows({7: 1.5}, at_ms=2_000), dropped=(), replace_all=True)
    await owner.cache_rows(connection=2, epoch=3, rows=make_rows({7: 9.5}, at_ms=1_000), dropped=(), replace_all=True)

    connection, row = board.read_cached([7])[7]
    assert (connection, row["ltp"]) == (1, 1.5)


@pytest.mark.parametrize(
    ("dropped", "replace_all", "left"),
    [((), False, {7: 1.5, 8: 2.5, 9: 3.5}), ((7,), False, {8: 2.5, 9: 3.5}), ((), True, {9: 3.5})],
)
async def test_caching_rows_adds_drops_or_replaces(
    owner: OwnerBoard, hub: HubBoard, *, dropped: Sequence[int], replace_all: bool, left: dict[int, float]
) -> None:
    await owner.cache_rows(connection=1, epoch=3, rows=make_rows({7: 1.5, 8: 2.5}), dropped=(), replace_all=True)

    await owner.cache_rows(connection=1, epoch=3, rows=make_rows({9: 3.5}), dropped=dropped, replace_all=replace_all)

    _, rows = await hub.read_cache(1)
    assert prices_of(rows) == left


async def test_rows_for_an_empty_cache_are_cached_and_reported_as_incomplete(owner: OwnerBoard) -> None:
    is_complete = await owner.cache_rows(connection=1, epoch=3, rows=make_rows({7: 1.5}), dropped=(), replace_all=False)
    is_rest_cached = await owner.cache_rows(
        connection=1, epoch=3, rows=make_rows({8: 2.5}), dropped=(), replace_all=False
    )

    assert (is_complete, is_rest_cached) == (False, True)


async def test_the_cache_refuses_a_former_owner_and_is_replaced_by_a_new_one(owner: OwnerBoard, hub: HubBoard) -> None:
    await owner.cache_rows(connection=1, epoch=3, rows=make_rows({7: 1.5}), dropped=(), replace_all=False)

    is_stored = await owner.cache_rows(connection=1, epoch=4, rows=make_rows({8: 2.5}), dropped=(), replace_all=False)
    with pytest.raises(StaleEpoch):
        await owner.cache_rows(connection=1, epoch=3, rows=make_rows({7: 9.5}), dropped=(8,), replace_all=True)

    assert is_stored
    epoch, rows = await hub.read_cache(1)
    assert (epoch, prices_of(rows)) == (4, {8: 2.5})


async def test_an_owner_can_overrule_a_newer_epoch_on_the_board(owner: OwnerBoard, hub: HubBoard) -> None:
    await owner.cache_rows(connection=1, epoch=9, rows=make_rows({7: 1.5}), dropped=(), replace_all=True)

    is_cached = await owner.cache_rows(
        connection=1, epoch=3, rows=make_rows({8: 2.5}), dropped=(), replace_all=True, overrule=True
    )

    assert is_cached
    epoch, rows = await hub.read_cache(1)
    assert (epoch, prices_of(rows)) == (3, {8: 2.5})


async def test_rows_of_another_layout_are_not_read_and_their_epoch_still_counts(
    owner: OwnerBoard, hub: HubBoard, board: QuoteBoard, client: "redis.asyncio.Redis", redis_prefix: str
) -> None:
    # 93 rows of the former layout are as long as 89 of the present one.
    for number in range(1, 94):
        await client.hset(f"{redis_prefix}:quotes:1", str(number), bytes(178))
    await client.hset(f"{redis_prefix}:quotes:1", "epoch", "3")
    await client.hset(f"{redis_prefix}:quotes:2", mapping={"epoch": 3, "layout": ROW_LAYOUT + 1, "7": bytes(186)})

    epoch, rows = await hub.read_cache(1)

    assert (epoch, len(rows)) == (3, 0)
    assert len((await hub.read_cache(2))[1]) == 0
    assert board.read_cached([1, 7]) == {}
    assert not any(board.list_cached().values())
    with pytest.raises(StaleEpoch):
        await owner.cache_rows(connection=1, epoch=2, rows=make_rows({7: 1.5}), dropped=(), replace_all=False)
    is_complete = await owner.cache_rows(connection=1, epoch=3, rows=make_rows({7: 1.5}), dropped=(), replace_all=False)
    assert not is_complete
    assert prices_of((await hub.read_cache(1))[1]) == {7: 1.5}
    assert board.list_cached()[1] == {7}


async def test_frames_of_another_layout_are_skipped_and_logged_once(
    owner: OwnerBoard,
    hub: HubBoard,
    client: "redis.asyncio.Redis",
    redis_prefix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    former = b"BTQ1" + encode_frame(make_frame(sequence=1))[4:]
    async with asyncio.timeout(10), hub.frames() as frames:
        for _ in range(3):
            await client.publish(f"{redis_prefix}:frames:1", former)
        await owner.publish(make_frame(sequence=9))

        received = await anext(frames)

    assert (received.connection, received.sequence) == (2, 9)
    skipped = [one.message for one in caplog.records if "another version" in one.message]
    assert skipped == [f"frames of another version skipped on {redis_prefix}:frames:1 (frame of row layout 1, not 3)"]


async def test_five_thousand_rows_are_cached_in_one_call(owner: OwnerBoard, hub: HubBoard) -> None:
    rows = make_rows(dict.fromkeys(range(1, 5001), 0.5))

    await owner.cache_rows(connection=1, epoch=1, rows=rows, dropped=list(range(6_000, 11_000)), replace_all=True)

    assert len((await hub.read_cache(1))[1]) == 5_000


async def test_volumes_are_read_on_the_day_on_which_they_were_noted(
    owner: OwnerBoard, client: "redis.asyncio.Redis", redis_prefix: str
) -> None:
    await owner.note_volumes(20_700, {7: DayVolume(2**32 + 65, 1_788_500_000), 8: DayVolume(2**31 + 1, 0)})
    await owner.note_volumes(20_700, {7: DayVolume(2**32 + 130, 1_788_500_001)})
    await owner.note_volumes(20_701, {})

    assert await owner.read_volumes(20_700) == {
        7: DayVolume(2**32 + 130, 1_788_500_001),
        8: DayVolume(2**31 + 1, 0),
    }
    assert await owner.read_volumes(20_701) == {}
    assert 0 < await client.ttl(f"{redis_prefix}:volumes:20700") <= 86_400


async def test_reports_are_read_by_number_until_they_are_withdrawn(
    owner: OwnerBoard, hub: HubBoard, board: QuoteBoard
) -> None:
    for connection in (5, 2):
        await owner.report(make_report(connection=connection))

    assert board.list_reports() == [make_report(connection=2), make_report(connection=5)]
    assert await hub.list_reports() == board.list_reports()
    await owner.withdraw(connection=2, epoch=5)
    assert [one.connection for one in board.list_reports()] == [5]


async def test_a_former_owner_neither_replaces_nor_withdraws_the_report_of_its_successor(
    owner: OwnerBoard, board: QuoteBoard
) -> None:
    successor = replace(make_report(), owner="host:2", epoch=6)
    key = InstrumentKey(ExchangeSegment.NSE_FNO, 41)
    await owner.report(make_report())
    await owner.report(successor, pack_keys([key]))

    await owner.report(make_report())
    await owner.withdraw(connection=2, epoch=5)

    assert board.list_reports() == [successor]
    assert board.list_sent() == {2: frozenset({key})}


async def test_an_unreadable_report_is_replaced(
    owner: OwnerBoard, board: QuoteBoard, client: "redis.asyncio.Redis", redis_prefix: str
) -> None:
    await client.set(f"{redis_prefix}:owner:2", b"{no report")

    await owner.report(make_report())

    assert board.list_reports() == [make_report()]


async def test_a_report_expires_within_5_seconds(
    owner: OwnerBoard, client: "redis.asyncio.Redis", redis_prefix: str
) -> None:
    await owner.report(make_report())

    assert 0 < await client.ttl(f"{redis_prefix}:owner:2") <= 5


@asynccontextmanager
async def freezable_proxy(url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Yield the URL of a proxy to Redis; once the event is set, its connections stay open and carry nothing."""
    frozen = asyncio.Event()
    address = urlsplit(url)
    relays: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                if not frozen.is_set():
                    writer.write(piece)
        writer.close()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beyond = await asyncio.open_connection(address.hostname, address.port)
        writers.extend((writer, beyond[1]))
        await asyncio.gather(carry(reader, beyond[1]), carry(beyond[0], writer))

    def relay_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.append(asyncio.ensure_future(join(reader, writer)))

    async with await asyncio.start_server(relay_connection, "127.0.0.1", 0) as server:
        here = f"{address.username or ''}:{address.password or ''}@" if address.password else ""
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"redis://{here}127.0.0.1:{port}{address.path}", frozen
        finally:
            for relay in relays:
                relay.cancel()
            await asyncio.gather(*relays, return_exceptions=True)
            # An open socket would be reported in a later test, when it is collected.
            for writer in writers:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()


async def test_a_hub_and_an_owner_detect_a_half_open_redis_connection(redis_url: str, redis_prefix: str) -> None:
    async with (
        asyncio.timeout(20),
        freezable_proxy(redis_url) as (url, frozen),
        redis.asyncio.Redis.from_url(url) as client,
        HubBoard(client, redis_prefix, lost_after_seconds=LOST_AFTER_SECONDS).frames() as frames,
    ):
        owner = OwnerBoard(client, redis_prefix, lost_after_seconds=LOST_AFTER_SECONDS)
        waits = [asyncio.ensure_future(anext(frames)), asyncio.ensure_future(anext(owner.requests()))]
        _, still = await asyncio.wait(waits, timeout=2 * LOST_AFTER_SECONDS)
        assert len(still) == 2  # A connection without messages is not lost: pings are answered.

        frozen.set()

        for wait in waits:
            with pytest.raises(BoardError):
                await wait


async def test_joining_a_board_that_never_answers_times_out(redis_url: str, redis_prefix: str) -> None:
    async with freezable_proxy(redis_url) as (url, frozen), asyncio.timeout(20):
        frozen.set()
        async with redis.asyncio.Redis.from_url(url) as client:
            with pytest.raises(TimeoutError):
                async with HubBoard(client, redis_prefix, lost_after_seconds=LOST_AFTER_SECONDS).frames():
                    pass


async def test_an_unreachable_board_raises_a_board_error() -> None:
    nowhere = "redis://127.0.0.1:1/0"
    with redis.Redis.from_url(nowhere, retry=None) as client, pytest.raises(BoardError):
        QuoteBoard(client, "nobody").ping()


async def test_a_damaged_row_is_as_good_as_none(
    owner: OwnerBoard, hub: HubBoard, board: QuoteBoard, client: "redis.asyncio.Redis", redis_prefix: str
) -> None:
    await owner.cache_rows(connection=1, epoch=3, rows=make_rows({7: 1.5, 8: 2.5}), dropped=(), replace_all=True)
    await client.hset(f"{redis_prefix}:quotes:1", "8", b"x")

    assert prices_of(await hub.read_rows([7, 8])) == {7: 1.5}
    assert prices_of((await hub.read_cache(1))[1]) == {7: 1.5}
    assert set(board.read_cached([7, 8])) == {7}
