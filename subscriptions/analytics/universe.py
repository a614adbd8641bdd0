"""The series whose analytics are computed: everything of which at least one option streams, with all listed strikes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.ladders import CALL, PUT, Ladders
from marketdata.domain.instruments import OptionType, SeriesKey
from marketdata.domain.prices import UNITS
from marketdata.selectors import Leg, SeriesListing

NOT_LISTED: Final = 0
"""An instrument id of no instrument."""
_COLUMN_OF: Final = {OptionType.CE: CALL, OptionType.PE: PUT}


@dataclass(frozen=True, slots=True)
class Target:
    """One series: its listing, and the future that gives its forward, where one of its expiry is listed."""

    listing: SeriesListing
    future_id: int | None


@dataclass(frozen=True, slots=True)
class Universe:
    """All series in one set of arrays; `instrument_ids` and `base_oi` have the shape (rows, 2)."""

    ladders: Ladders
    instrument_ids: npt.NDArray[np.int64]  # NOT_LISTED where a strike has one option only
    base_oi: Floats  # units at the previous close, NaN where unknown
    keys: tuple[SeriesKey, ...]
    series_ids: npt.NDArray[np.int64]
    spot_ids: npt.NDArray[np.int64]
    future_ids: npt.NDArray[np.int64]  # NOT_LISTED where there is none

    def is_same(self, other: "Universe") -> bool:
        """Return whether `other` has the same series, options, futures and base of open interest."""
        return self.keys == other.keys and all(
            np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f")
            for mine, theirs in (
                (self.instrument_ids, other.instrument_ids),
                (self.spot_ids, other.spot_ids),
                (self.future_ids, other.future_ids),
                (self.base_oi, other.base_oi),
            )
        )


def make_universe(targets: Sequence[Target], base_oi: Mapping[int, int]) -> Universe | None:
    """Return the arrays of `targets`; None without one. `base_oi` is by instrument id."""
    if not targets:
        return None
    strikes: list[Decimal] = []
    ids: list[list[int]] = []
    ticks: list[list[float]] = []
    sizes: list[int] = []
    for target in targets:
        by_strike: dict[Decimal, list[Leg | None]] = {}
        for leg in target.listing.legs:
            by_strike.setdefault(leg.strike, [None, None])[_COLUMN_OF[leg.option_type]] = leg
        sizes.append(len(by_strike))
        strikes += by_strike
        ids += [[NOT_LISTED if leg is None else leg.instrument_id for leg in both] for both in by_strike.values()]
        ticks += [[0.0 if leg is None else float(leg.tick_size) for leg in both] for both in by_strike.values()]
    instrument_ids = np.array(ids, dtype=np.int64)
    return Universe(
        ladders=Ladders(
            starts=np.cumsum([0, *sizes[:-1]]),
            series=np.repeat(np.arange(len(targets)), sizes),
            strike_units=np.array([int(one * UNITS) for one in strikes], dtype=np.int64),
            strike=np.array([float(one) for one in strikes]),
            tick_size=np.array(ticks),
        ),
        instrument_ids=instrument_ids,
        base_oi=np.array([[base_oi.get(one, np.nan) for one in pair] for pair in ids], dtype=float),
        keys=tuple(target.listing.series for target in targets),
        series_ids=np.array([target.listing.series_id for target in targets], dtype=np.int64),
        spot_ids=np.array([target.listing.spot_instrument_id for target in targets], dtype=np.int64),
        future_ids=np.array([target.future_id or NOT_LISTED for target in targets], dtype=np.int64),
    )
