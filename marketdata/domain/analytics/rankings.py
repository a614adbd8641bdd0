"""The rankings of the scanner: which of all options, series or underlyings stand out (docs/analytics.md, *Rankings*).

Each ranking is a score for each element: the highest come first, NaN is never ranked. An element is left out, too,
where its value says little: an option with few lots, or of so few ticks that one tick moves its volatility by points.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.ladders import Flags, Indices
from marketdata.domain.analytics.positions import BuildUp

MOST_ROWS: Final = 50
"""Chosen: two screens of rows, some 10 kB a second to a browser."""
LEAST_OI_LOTS: Final = 100
"""Source: barchart.com/options/unusual-activity/stocks demands over 100 contracts of open interest. Read 2026-11-29."""
LEAST_VOLUME_LOTS: Final = 500
"""Source: the same page demands a volume of over 500 contracts."""
LEAST_TICKS: Final = 10
"""Chosen: one tick is then at most a tenth of the time value, and moves the volatility by about as much."""
LEAST_OPTIONS: Final = 10
"""Chosen: shares of an underlying with fewer options than this change by tens of percent with each of them."""


class Subject(Enum):
    """What a ranking ranks."""

    OPTION = auto()
    SERIES = auto()
    UNDERLYING = auto()


class Ranking(StrEnum):
    """The rankings. The values are the names on the browser's wire."""

    OI_RISE = "oi_rise"
    OI_FALL = "oi_fall"
    IV_RISE = "iv_rise"
    IV_FALL = "iv_fall"
    UNUSUAL_VOLUME = "unusual_volume"
    STRADDLE_RISE = "straddle_rise"
    STRADDLE_FALL = "straddle_fall"
    LONG_BUILD_UP = "long_build_up"
    SHORT_BUILD_UP = "short_build_up"
    LONG_UNWINDING = "long_unwinding"
    SHORT_COVERING = "short_covering"


BUILD_UP_OF: Final = {
    Ranking.LONG_BUILD_UP: BuildUp.LONG_BUILD_UP,
    Ranking.SHORT_BUILD_UP: BuildUp.SHORT_BUILD_UP,
    Ranking.LONG_UNWINDING: BuildUp.LONG_UNWINDING,
    Ranking.SHORT_COVERING: BuildUp.SHORT_COVERING,
}
_SERIES_RANKINGS: Final = frozenset({Ranking.STRADDLE_RISE, Ranking.STRADDLE_FALL})


def subject_of(ranking: Ranking) -> Subject:
    """Return what `ranking` ranks."""
    if ranking in BUILD_UP_OF:
        return Subject.UNDERLYING
    return Subject.SERIES if ranking in _SERIES_RANKINGS else Subject.OPTION


@dataclass(frozen=True, slots=True)
class Scan:
    """One ranking, of all underlyings or of one, as a browser asks for it. An underlying is named `NSE:NIFTY`."""

    ranking: Ranking
    underlying: str | None = None

    def __str__(self) -> str:
        return f"{self.ranking} {self.underlying or ''}".rstrip()


def parse_scan(text: str) -> Scan | None:
    """Return the scan that `str` gave as `text`; None where there is no such ranking."""
    name, _, underlying = text.partition(" ")
    try:
        return Scan(Ranking(name), underlying or None)
    except ValueError:
        return None


def top(scores: Floats, *, count: int = MOST_ROWS) -> Indices:
    """Return the indices of the highest `count` scores, highest first, the first of equal ones first; no NaN."""
    known = np.flatnonzero(~np.isnan(scores))
    if len(known) > count:
        values = scores[known]
        # The score of the last place: all above it are in, and of the equal ones the first.
        least = values[np.argpartition(values, len(values) - count)[len(values) - count]]
        above, equal = known[values > least], known[values == least]
        known = np.sort(np.concatenate((above, equal[: count - len(above)])))
    return known[np.argsort(-scores[known], kind="stable")]


def risen(change: Floats, *, is_falling: bool) -> Floats:
    """Return the scores of changes: of the rises, or of the falls as positive numbers; NaN for all others."""
    directed = -change if is_falling else change
    return np.where(directed > 0, directed, np.nan)


def rank_oi_change(oi: Floats, oi_change: Floats, *, is_falling: bool) -> Floats:
    """Return the scores of changes of open interest since the previous close; both in lots.

    Open interest must be LEAST_OI_LOTS now or have been so at the close.
    """
    is_counted = np.fmax(oi, oi - oi_change) >= LEAST_OI_LOTS
    return np.where(is_counted, risen(oi_change, is_falling=is_falling), np.nan)


def rank_unusual_volume(volume: Floats, oi: Floats) -> Floats:
    """Return the volume of the day divided by the open interest, both in lots, where both are large enough."""
    is_counted = (volume >= LEAST_VOLUME_LOTS) & (oi >= LEAST_OI_LOTS)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(is_counted, volume / oi, np.nan)


def has_time_value(time_value: Floats, tick_size: Floats) -> Flags:
    """Return whether an option has LEAST_TICKS of time value; not where either is unknown."""
    # Half a tick of tolerance: time values are rounded to two decimals.
    return np.asarray((tick_size > 0) & (time_value >= (LEAST_TICKS - 0.5) * tick_size))


def out_of_the_money(intrinsic: Floats, is_listed: Flags) -> Indices:
    """Return the column of the option of each strike whose volatility it is; shapes (rows, 2) to (rows).

    That is the option out of the money, the call where both are at the money; the only one where one is listed.
    """
    comparable = np.where(is_listed, np.nan_to_num(intrinsic), np.inf)
    return np.asarray(np.argmin(comparable, axis=1))


def percent_change(now: Floats, before: Floats) -> Floats:
    """Return the change in percent; NaN where either is unknown, or where it was not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before > 0, 100 * (now - before) / before, np.nan)


@dataclass(frozen=True, slots=True)
class BuildUps:
    """Build-up of underlyings by kind; arrays of the shape (underlyings, kinds), the kinds by the values of BuildUp.

    `shares` are percent of the open interest of all counted options; NaN where too few are counted.
    """

    shares: Floats
    counts: npt.NDArray[np.int64]
    options: npt.NDArray[np.int64]  # counted, by underlying


def sum_build_ups(build_up: npt.NDArray[np.uint8], oi: Floats, underlying: Indices, underlyings: int) -> BuildUps:
    """Return the build-up of each of `underlyings` from that of its options, weighted by open interest (lots).

    Counted are options with a kind of build-up and at least LEAST_OI_LOTS.
    """
    is_counted = (build_up != BuildUp.NONE) & (oi >= LEAST_OI_LOTS)
    kinds = len(BuildUp)
    cells = underlying[is_counted] * kinds + build_up[is_counted]
    counts = np.bincount(cells, minlength=underlyings * kinds).reshape(underlyings, kinds)
    weights = np.bincount(cells, weights=oi[is_counted], minlength=underlyings * kinds).reshape(underlyings, kinds)
    options, total = counts.sum(axis=1), weights.sum(axis=1)
    is_shown = options >= LEAST_OPTIONS
    shares = 100 * weights / np.where(is_shown, total, np.nan)[:, np.newaxis]
    return BuildUps(shares, counts, options)


def rank_build_up(build_ups: BuildUps, ranking: Ranking) -> Floats:
    """Return the share of the kind of `ranking` in each underlying; NaN where nothing is of it."""
    shares = build_ups.shares[:, BUILD_UP_OF[ranking]]
    return np.where(shares > 0, shares, np.nan)
