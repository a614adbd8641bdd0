"""The day's volume across a wrap, a killed worker and another connection, with the simulator as the broker."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import redis.asyncio
from django.conf import settings

from marketdata import quote_board
from marketdata.domain.tick_rules import WIRE_VOLUMES, day_in_india
from subscriptions.models import Subscription
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

COUNT = 10


class CachedVolumes:
    """The volumes of the last-value cache, polled repeatedly."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = ids
        self.lowest: list[int] = []

    def are_all_new(self, *, since_ms: int) -> bool:
        """Return whether every instrument has a packet since then; note the lowest volume of those that have one."""
        rows = [row for _, row in quote_board.connect().read_cached(self._ids).values()]
        volumes = [int(row["volume"]) for row in rows if row["received_at_ms"] > since_ms]
        self.lowest += [min(volumes)] if volumes else []
        return len(volumes) == len(self._ids)


def count_noted() -> int:
    async def read() -> int:
        async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
            board = quote_board.OwnerBoard(client, settings.REDIS_PREFIX)
            return len(await board.read_volumes(day_in_india(now_ms())))

    return asyncio.run(read())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_the_volume_stays_whole_after_a_wrap_for_the_next_worker_and_the_next_connection(tmp_path: Path) -> None:
    with running_simulator(rate=2_000, faults={}) as simulator:
        ids = [one.instrument_id for one in make_subscriptions(simulator, count=COUNT)]
        board = quote_board.connect()
        with running_worker(tmp_path, name="first", simulator=simulator):
            wait_until_streaming(COUNT)
            simulator.set_fault("volume_wrap", 60)
            wait_until(
                lambda: all(row["volume"] > WIRE_VOLUMES for _, row in board.read_cached(ids).values()),
                seconds=START_SECONDS,
                message="all volumes have wrapped",
            )
            wait_until(lambda: count_noted() == COUNT, seconds=START_SECONDS, message="all volumes are noted")

        killed_at_ms, volumes = now_ms(), CachedVolumes(ids)
        with running_worker(tmp_path, name="second", simulator=simulator):
            wait_until(
                lambda: volumes.are_all_new(since_ms=killed_at_ms),
                seconds=START_SECONDS,
                message="packets by the second worker",
            )
            wait_until_streaming(COUNT)
            Subscription.objects.update(connection_id=1)
            board.nudge()
            moved_at_ms = now_ms()
            wait_until(
                lambda: (
                    {number for number, _ in board.read_cached(ids).values()} == {1}
                    and volumes.are_all_new(since_ms=moved_at_ms)
                ),
                seconds=START_SECONDS,
                message="packets on the first connection",
            )

    assert min(volumes.lowest) > WIRE_VOLUMES
