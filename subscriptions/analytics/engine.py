"""Analytics of everything that streams, from one reading of the quote mirror. Pure but for what it remembers.

It remembers the volatilities of the flush before, from which the next ones are found in a step or two, and when each
quote changed, by which a trade is newer than a quote.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.derived_rows import (
    DECIMALS,
    GAMMA_DIGITS,
    OPTION_ROW,
    SERIES_DECIMALS,
    SERIES_FIELDS,
    SERIES_ROW,
    OiSource,
    Rows,
    round_significant,
)
from marketdata.domain.analytics.ladders import DIRECTIONS
from marketdata.domain.analytics.option_analytics import OptionAnalytics, choose_forwards, compute_options
from marketdata.domain.analytics.premiums import Premiums, choose_premiums
from marketdata.domain.analytics.series_analytics import SeriesAnalytics, compute_series
from marketdata.domain.analytics.trading_time import TRADING_DAYS, TradingTime
from marketdata.domain.quote_rows import NEVER_HEARD
from marketdata.domain.sessions import SessionBook
from marketdata.streaming.frames import NO_CONNECTION, Shown, WireRows
from marketdata.streaming.mirror import QuoteMirror, blank_rows
from subscriptions.analytics.universe import NOT_LISTED, References, Universe

# The broker's trade times are IST wall clock, encoded as if it were UTC (docs/dhan.md).
_IST_SECONDS: Final = 19_800
_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Analytics:
    """The rows of all options and of all series at one flush."""

    options: Rows
    series: Rows


NO_ANALYTICS: Final = Analytics(np.zeros(0, dtype=OPTION_ROW), np.zeros(0, dtype=SERIES_ROW))


class AnalyticsEngine:
    """Computes the analytics of one universe. `rate` is per year as a fraction; `references` may be replaced."""

    def __init__(self, universe: Universe, references: References, *, rate: float) -> None:
        self.universe = universe
        self.references = references
        self._rate = rate
        self._ids = np.concatenate((universe.instrument_ids.ravel(), universe.spot_ids, universe.future_ids))
        self._is_listed = universe.instrument_ids.ravel() != NOT_LISTED
        self._former_iv: Floats | None = None
        self._quote = np.zeros((2, universe.instrument_ids.size))
        self._quoted_at_ms = np.zeros(universe.instrument_ids.size)
        self._times: TradingTime | None = None
        self._years_at = 0
        self._years_found: Floats = np.zeros(0)
        # Where in the table of the mirror the instruments are, found again when the table has grown.
        self._mirrored = -1
        self._places: npt.NDArray[np.intp] = np.zeros(0, np.intp)
        self._slots: npt.NDArray[np.intp] = np.zeros(0, np.intp)

    def compute(self, mirror: QuoteMirror, calendar: SessionBook, *, now_ms: int) -> Analytics:
        """Return the analytics at `now_ms` (true UTC epoch) from the newest rows of `mirror`."""
        universe, rows = self.universe, self._read(mirror, now_ms)
        count = universe.instrument_ids.size
        shape, series_count = universe.instrument_ids.shape, len(universe.keys)
        options, spots = rows[:count], rows[count : count + series_count]
        futures = rows[count + series_count :]
        years = self._years(calendar, now_ms // 1_000)
        is_trade_newer = self._is_trade_newer(options, now_ms).reshape(shape)
        premiums = _choose(options, universe.ladders.tick_size, is_trade_newer)
        spot = _known(spots, Shown.LTP, "ltp")
        # Of a future with a wide quote, the last trade is better than nothing.
        future = _choose(futures, np.zeros(series_count), np.ones(series_count, dtype=bool)).price
        forward = choose_forwards(
            universe.ladders, premium=premiums.price, spot=spot, future=future, years=years, rate=self._rate
        )
        streamed_oi = _known(options, Shown.OI, "oi").reshape(shape)
        volume = _known(options, Shown.VOLUME, "volume").reshape(shape)
        # Sums are of every listed strike: of those that do not stream, the broker's chain has the open interest.
        references, is_streamed = self.references, ~np.isnan(streamed_oi)
        oi = np.where(is_streamed, streamed_oi, references.oi)
        change = _known(options, Shown.LTP, "ltp") - _known(options, Shown.PREVIOUS_CLOSE, "previous_close")
        analytics = compute_options(
            universe.ladders,
            premiums,
            forward=forward,
            years=years,
            rate=self._rate,
            price_change=change.reshape(shape),
            oi_change=oi - references.base_oi,
            former=self._former_iv,
        )
        self._former_iv = analytics.iv
        series = compute_series(
            universe.ladders,
            analytics,
            oi=oi,
            volume=np.where(np.isnan(volume), references.volume, volume),
            spot=spot,
            forward=forward,
        )
        ages = options["age_ms"].astype(np.int64)
        received = np.where(ages < NEVER_HEARD, now_ms - ages, 0).reshape(shape).max(axis=1)
        as_of = np.maximum.reduceat(received, universe.ladders.starts)
        option_rows = self._option_rows(analytics, forward, is_streamed)
        return Analytics(option_rows[self._is_listed], self._series_rows(series, forward, as_of))

    def _years(self, calendar: SessionBook, second: int) -> Floats:
        """Return the time to each expiry; one answer serves a second."""
        if self._times is None or self._times.book is not calendar:
            self._times = TradingTime(calendar)
            self._years_at = 0
        if self._years_at != second:
            now = datetime.fromtimestamp(second, tz=UTC)
            times = self._times
            keys = self.universe.keys
            self._years_found = np.array([times.years_to_expiry(one.segment, one.expiry, now=now) for one in keys])
            self._years_at = second
        return self._years_found

    def _read(self, mirror: QuoteMirror, now_ms: int) -> WireRows:
        """Return a row of each option, spot and future; a blank one where none streams."""
        if self._mirrored != len(mirror):
            self._mirrored = len(mirror)
            self._places = np.flatnonzero([one in mirror for one in self._ids.tolist()])
            self._slots = mirror.slots_of(self._ids[self._places].tolist())
        rows = blank_rows(len(self._ids))
        held = mirror.rows_at(self._slots, now_ms=now_ms)
        # A price that no connection streams any more says nothing about now.
        is_streamed = held["connection"] != NO_CONNECTION
        rows.put(self._places[is_streamed], held.compress(is_streamed))
        return rows

    def _is_trade_newer(self, options: WireRows, now_ms: int) -> npt.NDArray[np.bool_]:
        """Return whether the last trade came after the last change of bid or ask; trade times have full seconds."""
        quote = np.stack([options["bid"], options["ask"]]).astype(float)
        has_changed = (quote != self._quote).any(axis=0)
        received_ms = now_ms - options["age_ms"].astype(float)
        self._quoted_at_ms = np.where(has_changed, received_ms, self._quoted_at_ms)
        self._quote = quote
        traded_at_ms = (options["ltt"].astype(float) - _IST_SECONDS + 1) * 1_000
        return np.asarray((options["known"] & int(Shown.LTP) != 0) & (traded_at_ms > self._quoted_at_ms))

    def _option_rows(self, analytics: OptionAnalytics, forward: Floats, is_streamed: npt.NDArray[np.bool_]) -> Rows:
        universe = self.universe
        rows = np.zeros(universe.instrument_ids.size, dtype=OPTION_ROW)
        rows["instrument_id"] = universe.instrument_ids.ravel()
        rows["build_up"] = analytics.build_up.ravel()
        # The change of an option that does not stream counts in the sums; beside live ones it would read as live.
        rows["oi_change"] = np.where(is_streamed, analytics.oi_change, np.nan).ravel()
        source = self.references.base_source.ravel()
        rows["oi_change_source"] = np.where(np.isnan(rows["oi_change"]), OiSource.NONE, source)
        at = forward[universe.ladders.series][:, np.newaxis]
        intrinsic = np.maximum(DIRECTIONS * (at - universe.ladders.strike[:, np.newaxis]), 0)
        of_options: dict[str, Floats] = {
            "delta": analytics.delta,
            "theta": analytics.theta / TRADING_DAYS,
            "intrinsic": intrinsic,
            "time_value": analytics.premium - intrinsic,
        }
        for name, values in of_options.items():
            rows[name] = np.round(values, DECIMALS[name]).ravel()
        # Rounded once for both options of a strike.
        of_strikes: dict[str, npt.NDArray[Any]] = {
            "reason": analytics.reason,
            "iv": np.round(analytics.iv * _PERCENT, DECIMALS["iv"]),
            "vega": np.round(analytics.vega, DECIMALS["vega"]),
            "gamma": round_significant(analytics.gamma, GAMMA_DIGITS),
        }
        for name, values in of_strikes.items():
            rows[name] = np.repeat(values, 2)
        return rows

    def _series_rows(self, analytics: SeriesAnalytics, forward: Floats, as_of_ms: npt.NDArray[np.int64]) -> Rows:
        universe = self.universe
        rows = np.zeros(len(universe.keys), dtype=SERIES_ROW)
        rows["series_id"], rows["as_of_ms"] = universe.series_ids, as_of_ms
        rows["chain_at_ms"] = self.references.chain_at_ms
        rows["rate"] = self._rate * _PERCENT
        ladders = universe.ladders
        rows["strikes_listed"] = ladders.ends - ladders.starts
        rows["strikes_counted"] = analytics.strikes_counted
        for name in SERIES_FIELDS:
            rows[name] = forward if name == "forward" else getattr(analytics, name)
        for name in ("atm_iv", "skew"):
            rows[name] *= _PERCENT
        for name, decimals in SERIES_DECIMALS.items():
            rows[name] = np.round(rows[name], decimals)
        return rows


def _choose(rows: WireRows, tick_size: Floats, is_trade_newer: npt.NDArray[np.bool_]) -> Premiums:
    """Return the premiums of rows, in the shape of `tick_size`."""
    bid, ask, ltp = (rows[name].astype(float).reshape(tick_size.shape) for name in ("bid", "ask", "ltp"))
    return choose_premiums(bid=bid, ask=ask, ltp=ltp, tick_size=tick_size, is_trade_newer=is_trade_newer)


def _known(rows: WireRows, flag: Shown, name: str) -> Floats:
    """Return a field as doubles, NaN where it is unknown."""
    return np.where(rows["known"] & int(flag) != 0, rows[name].astype(float), np.nan)
