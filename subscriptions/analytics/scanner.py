"""The scanner: the rankings of all options, series and underlyings that stream, as messages for browsers.

It remembers samples of volatilities and straddles, from which their changes count, over a change of the universe too.
Only those rankings are computed that a browser shows. A message is encoded once, for all viewers of all web processes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import orjson

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.ladders import CALL, Indices
from marketdata.domain.analytics.positions import BuildUp
from marketdata.domain.analytics.rankings import (
    BUILD_UP_OF,
    Ranking,
    Scan,
    Subject,
    percent_change,
    rank_build_up,
    rank_oi_change,
    rank_unusual_volume,
    risen,
    subject_of,
    top,
)
from marketdata.domain.analytics.sample_ring import SampleRing
from marketdata.domain.instruments import EXCHANGE_OF, OptionType
from marketdata.streaming.mirror import QuoteMirror
from subscriptions.analytics.engine import Analytics
from subscriptions.analytics.scan_inputs import Listing, ScanInputs, Volatilities, read_inputs, straddles
from subscriptions.analytics.universe import Universe

Row = dict[str, Any]
_IV: Final = frozenset({Ranking.IV_RISE, Ranking.IV_FALL})
_STRADDLE: Final = frozenset({Ranking.STRADDLE_RISE, Ranking.STRADDLE_FALL})


class Scanner:
    """The rankings of one worker. `now` is in seconds that never go back."""

    def __init__(self) -> None:
        self._listing: Listing | None = None
        self._volatilities = SampleRing()
        self._straddles = SampleRing()

    def sample(self, universe: Universe, analytics: Analytics, *, closed: Collection[int], now: float) -> None:
        """Take the samples of this minute, once; of series whose segment is in `closed` none.

        Prices stand still while a segment is closed: from them a change would count over the night.
        """
        if not self._volatilities.is_due(now):
            return
        listing = self._listing_of(universe)
        is_open = np.array([key.segment not in closed for key in universe.keys])
        values = Volatilities(listing, analytics.options).values
        self._volatilities.add(np.where(is_open[listing.series], values, np.nan), now)
        self._straddles.add(np.where(is_open, straddles(listing, analytics.series), np.nan), now)

    def scan(
        self,
        universe: Universe | None,
        analytics: Analytics,
        mirror: QuoteMirror,
        scans: Collection[Scan],
        *,
        now: float,
        now_ms: int,
    ) -> dict[Scan, bytes]:
        """Return the message of each of `scans`; without a universe their rows are empty."""
        if universe is None:
            return {one: _encode(one, computed_at_ms=now_ms) for one in scans}
        listing = self._listing_of(universe)
        inputs = read_inputs(
            listing,
            analytics,
            mirror,
            iv_base=self._volatilities.base(now),
            straddle_base=self._straddles.base(now),
            now_ms=now_ms,
        )
        scores = {ranking: _SCORES[ranking](inputs) for ranking in {one.ranking for one in scans}}
        return {
            one: _encode(
                one,
                computed_at_ms=now_ms,
                base_seconds=_longest_base(inputs, one.ranking),
                underlyings=listing.underlyings,
                rows=_rows(inputs, one, scores[one.ranking]),
            )
            for one in scans
        }

    def _listing_of(self, universe: Universe) -> Listing:
        if self._listing is None or self._listing.universe is not universe:
            self._listing = Listing(universe)
            self._volatilities.keep(self._listing.ids)
            self._straddles.keep(universe.series_ids)
        return self._listing


def _encode(
    scan: Scan,
    *,
    computed_at_ms: int,
    base_seconds: int | None = None,
    underlyings: Sequence[str] = (),
    rows: Sequence[Row] = (),
) -> bytes:
    message = {
        "type": "scan",
        "ranking": scan.ranking,
        "underlying": scan.underlying,
        "state": "live",
        "computed_at_ms": computed_at_ms,
        "base_seconds": base_seconds,
        "underlyings": underlyings,
        "rows": rows,
    }
    # NaN is encoded as null.
    return orjson.dumps(message)


def _longest_base(inputs: ScanInputs, ranking: Ranking) -> int | None:
    """Return the age of the oldest base of a change in seconds; None without one, and for other rankings."""
    if ranking not in _IV | _STRADDLE:
        return None
    ages = (inputs.iv_base if ranking in _IV else inputs.straddle_base).ages
    return None if np.isnan(ages).all() else int(np.nanmax(ages))


def _score_iv(inputs: ScanInputs, *, is_falling: bool) -> Floats:
    volatilities = inputs.volatilities
    change = np.where(volatilities.is_own, volatilities.values - inputs.iv_base.values, np.nan)
    return risen(change, is_falling=is_falling)


def _score_straddle(inputs: ScanInputs, *, is_falling: bool) -> Floats:
    return risen(percent_change(inputs.straddle, inputs.straddle_base.values), is_falling=is_falling)


def _score_oi(inputs: ScanInputs, *, is_falling: bool) -> Floats:
    return rank_oi_change(inputs.oi, inputs.oi_change, is_falling=is_falling)


def _score_build_up(inputs: ScanInputs, *, ranking: Ranking) -> Floats:
    return rank_build_up(inputs.build_ups, ranking)


_SCORES: Final[Mapping[Ranking, Callable[[ScanInputs], Floats]]] = {
    Ranking.OI_RISE: partial(_score_oi, is_falling=False),
    Ranking.OI_FALL: partial(_score_oi, is_falling=True),
    Ranking.IV_RISE: partial(_score_iv, is_falling=False),
    Ranking.IV_FALL: partial(_score_iv, is_falling=True),
    Ranking.STRADDLE_RISE: partial(_score_straddle, is_falling=False),
    Ranking.STRADDLE_FALL: partial(_score_straddle, is_falling=True),
    Ranking.UNUSUAL_VOLUME: lambda inputs: rank_unusual_volume(inputs.volume, inputs.oi),
    **{ranking: partial(_score_build_up, ranking=ranking) for ranking in BUILD_UP_OF},
}


def _rows(inputs: ScanInputs, scan: Scan, scores: Floats) -> list[Row]:
    """Return the rows of a scan, best first."""
    subject, listing = subject_of(scan.ranking), inputs.listing
    underlying = {
        Subject.OPTION: listing.underlying,
        Subject.SERIES: listing.underlying_of_series,
        Subject.UNDERLYING: np.arange(len(listing.underlyings)),
    }[subject]
    if scan.underlying is not None:
        is_asked = np.array([name == scan.underlying for name in listing.underlyings])
        scores = np.where(is_asked[underlying], scores, np.nan)
    best = top(scores)
    if subject is Subject.UNDERLYING:
        return [_build_up_row(inputs, place) for place in best.tolist()]
    columns = _straddle_columns(inputs, best) if subject is Subject.SERIES else _option_columns(inputs, scan, best)
    names = map(partial(_series_name, listing), best if subject is Subject.SERIES else listing.series[best])
    values = zip(*columns.values(), strict=True)
    return [name | dict(zip(columns, one, strict=True)) for name, one in zip(names, values, strict=True)]


def _series_name(listing: Listing, series: int) -> Row:
    key = listing.universe.keys[series]
    return {"symbol": key.underlying, "exchange": EXCHANGE_OF[key.segment], "expiry": key.expiry.isoformat()}


def _option_columns(inputs: ScanInputs, scan: Scan, best: Indices) -> dict[str, list[Any]]:
    listing = inputs.listing
    names = {
        "instrument_id": listing.ids[best].tolist(),
        "strike": listing.universe.ladders.strike[listing.rows[best]].tolist(),
        "option_type": [OptionType.CE if one == CALL else OptionType.PE for one in listing.columns[best]],
        "lot_size": listing.lot_sizes[best].tolist(),
        "ltp": _rounded(inputs.ltp[best]),
    }
    if scan.ranking in _IV:
        iv, base = inputs.volatilities.values[best], inputs.iv_base
        return names | {
            "iv": _rounded(iv),
            "base_iv": _rounded(base.values[best]),
            "change": _rounded(iv - base.values[best]),
            "base_seconds": base.ages[best].astype(int).tolist(),
        }
    oi = inputs.oi[best]
    if scan.ranking is Ranking.UNUSUAL_VOLUME:
        volume = inputs.volume[best]
        return names | {"volume": _rounded(volume), "oi": _rounded(oi), "ratio": _rounded(volume / oi)}
    change = inputs.oi_change[best]
    return names | {
        "oi": _rounded(oi),
        "change": _rounded(change),
        "percent": _rounded(percent_change(oi, oi - change)),
        "build_up": [
            None if one == BuildUp.NONE else BuildUp(one).name.lower()
            for one in inputs.analytics.options["build_up"][best].tolist()
        ],
    }


def _straddle_columns(inputs: ScanInputs, best: Indices) -> dict[str, list[Any]]:
    straddle, base = inputs.straddle[best], inputs.straddle_base.values[best]
    return {
        "strike": inputs.analytics.series["atm_strike"][best].tolist(),
        "straddle": _rounded(straddle),
        "base_straddle": _rounded(base),
        "change": _rounded(straddle - base),
        "percent": _rounded(percent_change(straddle, base)),
        "base_seconds": inputs.straddle_base.ages[best].astype(int).tolist(),
    }


def _build_up_row(inputs: ScanInputs, underlying: int) -> Row:
    """Return the shares in percent and the numbers of options of each kind."""
    exchange, _, symbol = inputs.listing.underlyings[underlying].partition(":")
    build_ups = inputs.build_ups
    shares, counts = build_ups.shares[underlying], build_ups.counts[underlying]
    return {
        "symbol": symbol,
        "exchange": exchange,
        "options": int(build_ups.options[underlying]),
        "shares": {str(ranking): round(float(shares[kind]), 1) for ranking, kind in BUILD_UP_OF.items()},
        "counts": {str(ranking): int(counts[kind]) for ranking, kind in BUILD_UP_OF.items()},
    }


def _rounded(values: Floats) -> list[float]:
    """Return the values with two decimals, as the page shows them; a sample is float32, and has no more digits."""
    rounded: list[float] = np.round(values, 2).tolist()
    return rounded
