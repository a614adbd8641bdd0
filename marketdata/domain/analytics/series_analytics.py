"""Analytics of each series from the analytics of its options (docs/analytics.md).

Sums of open interest and volume take an unknown value as nothing; `strikes_counted` tells how many strikes have one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.ladders import CALL, MISSING, PUT, Indices, Ladders, take_or_nan
from marketdata.domain.analytics.option_analytics import OptionAnalytics

SKEW_DELTA: Final = 0.25
"""The usual delta of a risk reversal."""


@dataclass(frozen=True, slots=True)
class SeriesAnalytics:
    """One element for each series; NaN where unknown. Prices in rupees, volatilities as fractions, OI in units."""

    atm_strike: Floats
    atm_iv: Floats
    straddle: Floats
    expected_move: Floats  # the straddle in percent of the spot
    ce_oi: npt.NDArray[np.int64]
    pe_oi: npt.NDArray[np.int64]
    ce_oi_change: Floats
    pe_oi_change: Floats
    pcr_oi: Floats
    pcr_volume: Floats
    max_pain: Floats
    resistance: Floats  # the strike whose calls have the highest open interest
    support: Floats  # the same of puts
    skew: Floats  # volatility of the call of delta 0.25 minus that of the put of delta -0.25
    strikes_counted: npt.NDArray[np.int64]


def compute_series(
    ladders: Ladders, options: OptionAnalytics, *, oi: Floats, volume: Floats, spot: Floats, forward: Floats
) -> SeriesAnalytics:
    """Return the analytics; `oi` and `volume` have the shape (rows, 2), `spot` and `forward` one element per series."""
    reference = np.where(np.isnan(spot), forward, spot)
    # A tie goes up, as in `chain.nearest_listed`: of two equal distances, the one of the higher strike is made less.
    distance = np.abs(ladders.strike - reference[ladders.series])
    is_above = ladders.strike > reference[ladders.series]
    at_the_money = ladders.rows_of_least(np.where(is_above, np.nextafter(distance, -np.inf), distance))
    straddle = take_or_nan(options.premium.sum(axis=1), at_the_money)
    known_oi = np.nan_to_num(oi).astype(np.int64)
    traded = np.nan_to_num(volume).astype(np.int64)
    ce_oi, pe_oi = ladders.sums(known_oi[:, CALL]), ladders.sums(known_oi[:, PUT])
    is_counted: npt.NDArray[np.int64] = np.any(~np.isnan(oi), axis=1).astype(np.int64)
    return SeriesAnalytics(
        atm_strike=take_or_nan(ladders.strike, at_the_money),
        atm_iv=_volatility_at(ladders, options.iv, forward),
        straddle=straddle,
        expected_move=100 * straddle / reference,
        ce_oi=ce_oi,
        pe_oi=pe_oi,
        ce_oi_change=_sum_known(ladders, options.oi_change[:, CALL]),
        pe_oi_change=_sum_known(ladders, options.oi_change[:, PUT]),
        pcr_oi=_ratio(pe_oi, ce_oi),
        pcr_volume=_ratio(ladders.sums(traded[:, PUT]), ladders.sums(traded[:, CALL])),
        max_pain=_max_pain(ladders, known_oi),
        resistance=_strike_of_highest(ladders, known_oi[:, CALL]),
        support=_strike_of_highest(ladders, known_oi[:, PUT]),
        skew=_risk_reversal(ladders, options),
        strikes_counted=ladders.sums(is_counted),
    )


def _volatility_at(ladders: Ladders, iv: Floats, forward: Floats) -> Floats:
    """Return the volatility at the forward: on the line between the strikes beside it, or that of the only side."""
    is_known, is_below = ~np.isnan(iv), ladders.strike <= forward[ladders.series]
    below, above = ladders.last_rows(is_known & is_below), ladders.first_rows(is_known & ~is_below)
    return _interpolate(ladders.strike, iv, below, above, forward)


def _risk_reversal(ladders: Ladders, options: OptionAnalytics) -> Floats:
    """Return the volatility of the 25-delta call minus that of the 25-delta put; NaN where no strike lies beyond."""
    is_known = ~np.isnan(options.iv)
    call, put = options.delta[:, CALL], -options.delta[:, PUT]
    # The delta of calls falls with the strike, that of puts grows.
    sides = []
    for delta, is_near in ((call, call >= SKEW_DELTA), (put, put < SKEW_DELTA)):
        lower, upper = ladders.last_rows(is_known & is_near), ladders.first_rows(is_known & ~is_near)
        is_bracketed = (lower != MISSING) & (upper != MISSING)
        at = _interpolate(delta, options.iv, lower, upper, np.full(len(lower), SKEW_DELTA))
        sides.append(np.where(is_bracketed, at, np.nan))
    return sides[0] - sides[1]


def _interpolate(x: Floats, y: Floats, first: Indices, second: Indices, at: Floats) -> Floats:
    """Return the value at `at` on the line through two rows of each series; where one is MISSING, that of the other."""
    x1, x2, y1, y2 = (take_or_nan(values, rows) for values, rows in ((x, first), (x, second), (y, first), (y, second)))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (at - x1) / (x2 - x1)
    on_line = y1 + share * (y2 - y1)
    return np.where(np.isnan(y1), y2, np.where(np.isnan(y2), y1, on_line))


def _max_pain(ladders: Ladders, oi: npt.NDArray[np.int64]) -> Floats:
    """Return the strike at which all options together would be worth least at expiry; the lowest of equal ones.

    At a settlement K, calls below it pay K minus their strike and puts above it their strike minus K. Running sums of
    open interest, and of open interest times strike, give this for all strikes at once.
    """
    # Whole paise above the lowest strike of the series: exact, and small. A sum over all series may pass 2^63 and wrap;
    # the difference of two such sums is right as long as it is below 2^63 itself (4 * 10^9 units of open interest at
    # each of 200 strikes that span 100,000 rupees).
    height = (ladders.strike_units - ladders.strike_units[ladders.starts][ladders.series]) // _PAISA_UNITS
    calls, puts, last = oi[:, CALL], oi[:, PUT], ladders.ends - 1
    call_count, call_sum = _running(ladders, calls), _running(ladders, calls * height)
    put_count, put_sum = _running(ladders, puts), _running(ladders, puts * height)
    puts_above = (put_sum[last][ladders.series] - put_sum) - height * (put_count[last][ladders.series] - put_count)
    pain = (height * call_count - call_sum) + puts_above
    least = np.minimum.reduceat(pain, ladders.starts)
    rows = ladders.first_rows(pain == least[ladders.series])
    return np.where(call_count[last] + put_count[last] > 0, take_or_nan(ladders.strike, rows), np.nan)


_PAISA_UNITS: Final = 100


def _running(ladders: Ladders, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the sums from the first row of the series up to each row."""
    total = np.cumsum(values)
    before = total[ladders.starts] - values[ladders.starts]
    return total - before[ladders.series]


def _strike_of_highest(ladders: Ladders, oi: npt.NDArray[np.int64]) -> Floats:
    rows = ladders.rows_of_least(np.where(oi > 0, -oi.astype(np.float64), np.nan))
    return take_or_nan(ladders.strike, rows)


def _sum_known(ladders: Ladders, values: Floats) -> Floats:
    """Return the sum of the known values of each series; NaN where none is known."""
    count = ladders.sums((~np.isnan(values)).astype(np.int64))
    return np.where(count > 0, np.add.reduceat(np.nan_to_num(values), ladders.starts), np.nan)


def _ratio(upper: npt.NDArray[np.int64], lower: npt.NDArray[np.int64]) -> Floats:
    return np.where(lower > 0, upper / np.maximum(lower, 1), np.nan)
