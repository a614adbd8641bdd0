"""What the scanner ranks by, as arrays: of the options of a universe in lots, and of its series."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats
from marketdata.domain.analytics.derived_rows import DECIMALS, SERIES_DECIMALS, Rows
from marketdata.domain.analytics.ladders import Flags, Indices
from marketdata.domain.analytics.rankings import LEAST_TICKS, BuildUps, has_time_value, out_of_the_money, sum_build_ups
from marketdata.domain.analytics.sample_ring import Base
from marketdata.domain.instruments import EXCHANGE_OF
from marketdata.streaming.frames import NO_CONNECTION, Shown, WireRows
from marketdata.streaming.mirror import QuoteMirror
from subscriptions.analytics.engine import Analytics
from subscriptions.analytics.universe import NOT_LISTED, Universe


class Listing:
    """The listed options of a universe in the order of the rows of their analytics, and its underlyings by name."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.is_listed: Flags = universe.instrument_ids != NOT_LISTED
        self.ids = universe.instrument_ids[self.is_listed]
        # The strike and the side of each option, and its series and underlying.
        self.rows, self.columns = np.nonzero(self.is_listed)
        self.lot_sizes = universe.lot_sizes[self.is_listed]
        self.series: Indices = universe.ladders.series[self.rows]
        named = [f"{EXCHANGE_OF[key.segment]}:{key.underlying}" for key in universe.keys]
        self.underlyings = tuple(sorted(set(named)))
        places = {name: place for place, name in enumerate(self.underlyings)}
        self.underlying_of_series: Indices = np.array([places[name] for name in named], dtype=np.intp)
        self.underlying: Indices = self.underlying_of_series[self.series]

    def by_strike(self, values: npt.NDArray[np.generic]) -> Floats:
        """Return the values of the listed options in the shape (rows, 2), NaN where none is listed."""
        found = np.full(self.is_listed.shape, np.nan)
        found[self.is_listed] = values
        return found


class Volatilities:
    """The volatility of each option in percent, NaN where it says little, and the option of each strike whose it is."""

    def __init__(self, listing: Listing, options: Rows) -> None:
        strikes = np.arange(len(listing.is_listed))
        column = out_of_the_money(listing.by_strike(options["intrinsic"]), listing.is_listed)
        is_counted = has_time_value(
            listing.by_strike(options["time_value"])[strikes, column],
            listing.universe.ladders.tick_size[strikes, column],
        )
        self.is_own: Flags = listing.columns == column[listing.rows]
        iv = np.round(options["iv"].astype(float), DECIMALS["iv"])
        self.values: Floats = np.where(is_counted[listing.rows], iv, np.nan)


def straddles(listing: Listing, series: Rows) -> Floats:
    """Return the straddle at the money of each series; NaN where it is unknown or below LEAST_TICKS ticks."""
    ladders = listing.universe.ladders
    tick_size = np.maximum.reduceat(ladders.tick_size.max(axis=1), ladders.starts)
    values: Floats = series["straddle"]
    return np.where(values >= LEAST_TICKS * tick_size, values, np.nan)


@dataclass(frozen=True)
class ScanInputs:
    """The inputs of one second. Arrays have an element for each listed option, or for each series."""

    listing: Listing
    analytics: Analytics
    quotes: WireRows
    iv_base: Base
    straddle_base: Base

    def known(self, flag: Shown, name: str) -> Floats:
        """Return a field of the quotes; NaN where it is unknown, or where no connection streams the option."""
        rows = self.quotes
        is_known = (rows["known"] & int(flag) != 0) & (rows["connection"] != NO_CONNECTION)
        return np.where(is_known, rows[name].astype(float), np.nan)

    @cached_property
    def ltp(self) -> Floats:
        """Last prices in rupees."""
        return self.known(Shown.LTP, "ltp")

    @cached_property
    def oi(self) -> Floats:
        """Open interest in lots."""
        return np.asarray(self.known(Shown.OI, "oi") / self.listing.lot_sizes)

    @cached_property
    def volume(self) -> Floats:
        """Volume of the day in lots."""
        return np.asarray(self.known(Shown.VOLUME, "volume") / self.listing.lot_sizes)

    @cached_property
    def oi_change(self) -> Floats:
        """Change of open interest since the previous close in lots."""
        change: Floats = self.analytics.options["oi_change"] / self.listing.lot_sizes
        return change

    @cached_property
    def volatilities(self) -> Volatilities:
        """Volatilities in percent."""
        return Volatilities(self.listing, self.analytics.options)

    @cached_property
    def straddle(self) -> Floats:
        """Straddles at the money in rupees, by series."""
        return straddles(self.listing, self.analytics.series)

    @cached_property
    def build_ups(self) -> BuildUps:
        """Build-up of the underlyings."""
        build_up, listing = self.analytics.options["build_up"], self.listing
        return sum_build_ups(build_up, self.oi, listing.underlying, len(listing.underlyings))


def read_inputs(
    listing: Listing, analytics: Analytics, mirror: QuoteMirror, *, iv_base: Base, straddle_base: Base, now_ms: int
) -> ScanInputs:
    """Return the inputs of `analytics` with the newest quotes of the same options.

    The bases are rounded as the inputs are: they were float32, and an equal value must not read as a change.
    """
    quotes = mirror.rows_of(listing.ids.tolist(), now_ms=now_ms)
    return ScanInputs(
        listing,
        analytics,
        quotes,
        iv_base=Base(np.round(iv_base.values, DECIMALS["iv"]), iv_base.ages),
        straddle_base=Base(np.round(straddle_base.values, SERIES_DECIMALS["straddle"]), straddle_base.ages),
    )
