"""Which straddles become points of their day: those that a page shows as live."""

import pytest

from marketdata.domain.quote_rows import Rows as BusRows
from marketdata.streaming.feed_status import FeedState, FeedStatus, StreamState
from marketdata.streaming.mirror import QuoteMirror
from subscriptions.analytics.straddles import take_points
from tests.unit.subscriptions.analytics.test_engine import (
    FORWARD,
    KEY,
    NOW_MS,
    STRIKES,
    VOLATILITY,
    compute,
    every_option,
    make_option,
    make_spot_and_future,
    make_test_universe,
    mirror_of,
    worth,
)

STREAMING = mirror_of(*every_option(), *make_spot_and_future())


def status(state: StreamState = StreamState.LIVE, *, closed: tuple[tuple[int, int], ...] = ()) -> FeedStatus:
    """Return the status of a feed whose first connection, which has all rows here, is in `state`."""
    return FeedStatus(FeedState.PARTIAL, (state, *[StreamState.NO_OWNER] * 4), ("",) * 5, closed=closed)


def take(mirror: QuoteMirror = STREAMING, feed: FeedStatus | None = None) -> list[tuple[float, ...]]:
    universe = make_test_universe()
    series = compute(mirror, universe=universe).series
    keys, points = take_points(universe, series, mirror, feed or status(), now_ms=NOW_MS)
    assert list(keys) == [KEY] * len(points)
    found: list[tuple[float, ...]] = points.tolist()
    return found


def with_money(**fields: float) -> list[BusRows]:
    """Return all quotes, those of the call at the money with other fields."""
    call = make_option(24_000, is_put=False, **fields)
    others = [
        make_option(strike, is_put=is_put)
        for strike in STRIKES
        for is_put in (False, True)
        if is_put or strike != 24_000
    ]
    return [call, *others, *make_spot_and_future()]


def test_a_point_has_the_figures_of_its_series_and_its_minute() -> None:
    ((minute, atm_iv, straddle, atm_strike, forward),) = take()

    assert minute == NOW_MS // 60_000
    assert straddle == pytest.approx(worth(24_000, is_put=False) + worth(24_000, is_put=True), abs=0.01)
    assert (atm_strike, forward) == (24_000, FORWARD)
    assert atm_iv == pytest.approx(100 * VOLATILITY, abs=0.02)


@pytest.mark.parametrize(
    "state", [StreamState.SILENT, StreamState.STALE, StreamState.RECONNECTING, StreamState.NO_OWNER, StreamState.TOKEN]
)
def test_a_connection_that_does_not_deliver_gives_no_point(state: StreamState) -> None:
    assert take(feed=status(state)) == []


def test_late_prices_give_a_point_and_a_starved_connection_those_of_the_last_seconds() -> None:
    assert len(take(feed=status(StreamState.DELAYED))) == 1
    assert len(take(feed=status(StreamState.STARVED))) == 1
    old = mirror_of(*with_money(received_at_ms=NOW_MS - 10_001))

    assert take(old, status(StreamState.STARVED)) == []
    # On a live connection an option that nobody trades keeps its price.
    assert len(take(old)) == 1


def test_a_closed_market_gives_no_point() -> None:
    assert take(feed=status(closed=((int(KEY.segment), 0),))) == []


def test_a_straddle_that_is_unknown_gives_no_point() -> None:
    assert take(mirror_of(*make_spot_and_future())) == []
    assert take(mirror_of(*with_money(ltp=0.0, bid=0.0, ask=0.0))) == []
