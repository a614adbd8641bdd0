"""Analytics in Redis: caches with a fencing token, and what late joiners read."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import redis
from django.conf import settings

from marketdata import derived_board, selectors
from marketdata.derived_board import DerivedPublisher
from marketdata.domain.analytics.derived_rows import (
    OPTION_ROW,
    SERIES_ROW,
    DerivedFrame,
    OiSource,
    Rows,
    decode_derived,
)
from marketdata.domain.analytics.positions import BuildUp
from marketdata.domain.analytics.premiums import IvReason
from marketdata.domain.quote_rows import FrameKind
from marketdata.quote_board import StaleEpoch

pytestmark = pytest.mark.usefixtures("own_board")

NOW = datetime(2026, 12, 1, 6, 30, tzinfo=UTC)
SERIES_ID = 11
CACHES = ("options", "series")


def make_options() -> Rows:
    rows = np.zeros(2, dtype=OPTION_ROW)
    rows["instrument_id"] = [11, 12]
    rows["iv"], rows["delta"], rows["gamma"] = [11.83, np.nan], [0.523, np.nan], [0.0012345, np.nan]
    rows["theta"], rows["vega"] = [-12.34, np.nan], [9.87, np.nan]
    rows["reason"] = [IvReason.NONE, IvReason.WIDE_SPREAD]
    rows["oi_change"], rows["oi_change_source"] = [-1_300, np.nan], [OiSource.RECORD, OiSource.NONE]
    rows["build_up"] = [BuildUp.LONG_UNWINDING, BuildUp.NONE]
    return rows


def make_series() -> Rows:
    rows = np.zeros(1, dtype=SERIES_ROW)
    rows["series_id"], rows["forward"], rows["atm_iv"], rows["ce_oi"] = SERIES_ID, 24_030.05, 11.83, 65_000
    rows["skew"], rows["strikes_counted"], rows["strikes_listed"] = np.nan, 101, 140
    rows["as_of_ms"] = int(NOW.timestamp() * 1_000)
    return rows


def run(work: Callable[[DerivedPublisher], Awaitable[bool | None]]) -> bool | None:
    async def main() -> bool | None:
        publisher = derived_board.connect_publisher()
        try:
            return await work(publisher)
        finally:
            await publisher.aclose()

    return asyncio.run(main())


def publish(*, at: datetime = NOW) -> None:
    frame = DerivedFrame(FrameKind.FULL, 5, 1, int(at.timestamp() * 1_000), make_options(), make_series())
    run(lambda publisher: publisher.publish(frame))


def cache(*, epoch: int = 5, replace_all: bool = True) -> bool | None:
    return run(
        lambda publisher: publisher.cache(
            epoch=epoch, options=make_options(), series=make_series(), replace_all=replace_all
        )
    )


def read(*, now: datetime = NOW) -> selectors.ChainAnalytics:
    return selectors.get_chain_analytics(series_id=SERIES_ID, instrument_ids=[11, 12, 13], now=now)


def test_figures_are_read_as_plain_numbers_that_print_as_they_were_rounded() -> None:
    publish()
    cache()

    found = read()

    assert found.options[11]._asdict() == {
        "iv": 11.83,
        "iv_reason": None,
        "delta": 0.523,
        "gamma": 0.001234,
        "theta": -12.34,
        "vega": 9.87,
        "intrinsic": 0.0,
        "time_value": 0.0,
        "oi_change": -1_300,
        "oi_change_source": "record",
        "build_up": "long_unwinding",
    }
    assert (found.options[12].iv, found.options[12].iv_reason) == (None, "wide_spread")
    assert 13 not in found.options
    assert found.series["forward"] == 24_030.05
    assert (found.series["ce_oi"], found.series["skew"], found.series["as_of"]) == (65_000, None, NOW)


@pytest.mark.parametrize(("seconds", "is_known"), [(3, True), (3.1, False)])
def test_figures_are_unknown_three_seconds_after_the_last_flush(seconds: float, is_known: bool) -> None:
    publish()
    cache()

    found = read(now=NOW + timedelta(seconds=seconds))

    assert bool(found.options) is is_known
    assert bool(found.series) is is_known


def test_without_a_worker_there_are_no_figures() -> None:
    cache()

    assert not read().options
    assert derived_board.connect().last_flush() is None


def test_a_former_leader_changes_nothing() -> None:
    publish()
    cache(epoch=6)

    with pytest.raises(StaleEpoch):
        cache(epoch=5)

    assert read().options[11].iv == 11.83


def test_a_cache_that_redis_lost_is_reported() -> None:
    assert cache(replace_all=False) is False
    assert cache(replace_all=False) is True


def test_options_and_their_series_are_read_of_one_moment() -> None:
    """While a writer loses and writes both caches, a reader finds both or none."""
    client, keys = (
        redis.Redis.from_url(settings.REDIS_URL),
        [f"{settings.REDIS_PREFIX}:derived:{name}" for name in CACHES],
    )
    publish()
    found: set[tuple[bool, bool]] = set()
    is_written = threading.Event()

    def read() -> None:
        board = derived_board.connect()
        while not is_written.is_set():
            rows = board.read([11, 12], series_id=SERIES_ID, now=NOW)
            found.add((len(rows.options) == 2, rows.series is not None))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(200):
            client.delete(*keys)
            cache()
    finally:
        is_written.set()
        reader.join()
        client.close()

    assert found <= {(True, True), (False, False)}
    assert (True, True) in found


def test_frames_reach_subscribers() -> None:
    with (
        redis.Redis.from_url(settings.REDIS_URL) as client,
        client.pubsub(ignore_subscribe_messages=True) as listener,
    ):
        listener.subscribe(f"{settings.REDIS_PREFIX}:derived")
        listener.get_message(timeout=1)
        publish()
        message = listener.get_message(timeout=1)

    assert message is not None
    assert decode_derived(message["data"]).options.tobytes() == make_options().tobytes()
    assert derived_board.connect().last_flush() == NOW
