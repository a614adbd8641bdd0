"""The straddle of each series at one moment, as points of its day.

A point is taken only from prices that a page shows as live: of a series whose segment trades, whose call and put at the
money stream on connections that deliver. So an outage is a gap of the chart, not a line.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.derived_rows import Rows
from marketdata.domain.analytics.straddle_points import POINT, Points, minute_of
from marketdata.domain.feed import STARVED_SECONDS
from marketdata.domain.instruments import SeriesKey
from marketdata.streaming.feed_status import FeedStatus, StreamState
from marketdata.streaming.mirror import QuoteMirror
from subscriptions.analytics.universe import Universe

_DELIVERING: Final = frozenset({StreamState.LIVE, StreamState.DELAYED})


def take_points(
    universe: Universe, series: Rows, mirror: QuoteMirror, feed: FeedStatus, *, now_ms: int
) -> tuple[Sequence[SeriesKey], Points]:
    """Return the series that have a live straddle at `now_ms` (true UTC epoch), and the point of each.

    `series` are the rows of the analytics, in the order of `universe.keys`.
    """
    closed = {segment for segment, _ in feed.closed}
    is_open = np.array([key.segment not in closed for key in universe.keys])
    is_taken = is_open & np.isfinite(series["straddle"])
    if is_taken.any():
        is_taken &= _has_live_options(universe, series["atm_strike"], mirror, feed, now_ms=now_ms)
    rows = series.compress(is_taken)
    points = np.zeros(len(rows), dtype=POINT)
    points["minute"] = minute_of(now_ms)
    for name in ("straddle", "atm_strike", "atm_iv", "forward"):
        points[name] = rows[name]
    return [key for key, is_one in zip(universe.keys, is_taken.tolist(), strict=True) if is_one], points


def _has_live_options(
    universe: Universe, atm_strike: npt.NDArray[np.float64], mirror: QuoteMirror, feed: FeedStatus, *, now_ms: int
) -> npt.NDArray[np.bool_]:
    """Return of each series whether a page would show its call and its put at the money as live."""
    ladders = universe.ladders
    at_the_money = np.flatnonzero(ladders.strike == atm_strike[ladders.series])
    ids = universe.instrument_ids[at_the_money]
    rows = mirror.rows_of(ids.ravel().tolist(), now_ms=now_ms)
    # By number of the connection; the first one stands for none.
    delivers = np.array([False, *(one in _DELIVERING for one in feed.connections)])
    is_starved = np.array([False, *(one is StreamState.STARVED for one in feed.connections)])
    is_recent = rows["age_ms"] <= STARVED_SECONDS * 1_000
    numbers = rows["connection"]
    is_live = (delivers[numbers] | (is_starved[numbers] & is_recent)).reshape(ids.shape).all(axis=1)
    found = np.zeros(len(universe.keys), dtype=bool)
    found[ladders.series[at_the_money]] = is_live
    return found
