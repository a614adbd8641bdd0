"""The series whose analytics are computed: everything of which at least one option streams, with all listed strikes.

A `Universe` is which series these are; a new one starts the computation anew. `References` is what is known of its
options beside the feed; it changes while the universe stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.derived_rows import OiSource
from marketdata.domain.analytics.ladders import CALL, PUT, Ladders
from marketdata.domain.broker_chains import BrokerChain
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
    """All series in one set of arrays; `instrument_ids` and `lot_sizes` have the shape (rows, 2)."""

    ladders: Ladders
    instrument_ids: npt.NDArray[np.int64]  # NOT_LISTED where a strike has one option only
    keys: tuple[SeriesKey, ...]
    series_ids: npt.NDArray[np.int64]
    spot_ids: npt.NDArray[np.int64]
    future_ids: npt.NDArray[np.int64]  # NOT_LISTED where there is none
    lot_sizes: npt.NDArray[np.int64]  # units of a lot; 1 at MCX, which counts in lots, and where no option is listed

    def is_same(self, other: "Universe") -> bool:
        """Return whether `other` has the same series, options, futures and lots."""
        return self.keys == other.keys and all(
            np.array_equal(mine, theirs)
            for mine, theirs in (
                (self.instrument_ids, other.instrument_ids),
                (self.spot_ids, other.spot_ids),
                (self.future_ids, other.future_ids),
                (self.lot_sizes, other.lot_sizes),
            )
        )


@dataclass(frozen=True, slots=True)
class References:
    """What is known of the options of a universe beside the feed: units, NaN where unknown; the shape is (rows, 2).

    `oi` and `volume` are those of the broker's chain: they count for options that do not stream.
    """

    base_oi: Floats  # at the previous close
    base_source: npt.NDArray[np.uint8]  # OiSource
    oi: Floats
    volume: Floats
    chain_at_ms: npt.NDArray[np.int64]  # of each series: when its chain was received, true UTC epoch; 0 without one


def make_universe(targets: Sequence[Target]) -> Universe | None:
    """Return the arrays of `targets`; None without one."""
    if not targets:
        return None
    strikes: list[Decimal] = []
    ids: list[list[int]] = []
    ticks: list[list[float]] = []
    lots: list[list[int]] = []
    sizes: list[int] = []
    for target in targets:
        by_strike: dict[Decimal, list[Leg | None]] = {}
        for leg in target.listing.legs:
            by_strike.setdefault(leg.strike, [None, None])[_COLUMN_OF[leg.option_type]] = leg
        sizes.append(len(by_strike))
        strikes += by_strike
        ids += [[NOT_LISTED if leg is None else leg.instrument_id for leg in both] for both in by_strike.values()]
        ticks += [[0.0 if leg is None else float(leg.tick_size) for leg in both] for both in by_strike.values()]
        lots += [[1 if leg is None else leg.lot_size for leg in both] for both in by_strike.values()]
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
        keys=tuple(target.listing.series for target in targets),
        series_ids=np.array([target.listing.series_id for target in targets], dtype=np.int64),
        spot_ids=np.array([target.listing.spot_instrument_id for target in targets], dtype=np.int64),
        future_ids=np.array([target.future_id or NOT_LISTED for target in targets], dtype=np.int64),
        lot_sizes=np.array(lots, dtype=np.int64),
    )


def make_references(
    universe: Universe, recorded_oi: Mapping[int, int], chains: Mapping[SeriesKey, BrokerChain]
) -> References:
    """Return the references: the open interest of our own record by instrument id, else that of the broker's chain."""
    ids = universe.instrument_ids.ravel()
    order = np.argsort(ids, kind="stable")
    oi, volume, base = (np.full(ids.size, np.nan) for _ in range(3))
    for chain in chains.values():
        places = order[np.searchsorted(ids, chain.rows["instrument_id"], sorter=order).clip(max=ids.size - 1)]
        # An option of the chain that has left the list since.
        is_listed = ids[places] == chain.rows["instrument_id"]
        at, rows = places[is_listed], chain.rows[is_listed]
        oi[at], volume[at], base[at] = rows["oi"], rows["volume"], rows["previous_oi"]
    source = np.where(np.isnan(base), OiSource.NONE, OiSource.BROKER).astype(np.uint8)
    recorded = np.array([recorded_oi.get(one, np.nan) for one in ids.tolist()])
    is_recorded = ~np.isnan(recorded)
    base[is_recorded], source[is_recorded] = recorded[is_recorded], OiSource.RECORD
    shape = universe.instrument_ids.shape
    return References(
        base_oi=base.reshape(shape),
        base_source=source.reshape(shape),
        oi=oi.reshape(shape),
        volume=volume.reshape(shape),
        chain_at_ms=np.array(
            [round(chains[one].received_at.timestamp() * 1_000) if one in chains else 0 for one in universe.keys]
        ),
    )
