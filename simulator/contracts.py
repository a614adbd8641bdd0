"""The inputs of a price as arrays over a listing: driver, strike, time to expiry, tick, lot, rank.

A *driver* is a random process: an index, a stock, a commodity. Every listed row has exactly one driver, so a stock, its
futures and its options move together, also across exchanges. If a listing has no level for a driver, the level is the
middle of the densest strikes of its nearest series, because exchanges list strikes around the money. Without options
the level is derived from a hash of the name.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from zlib import crc32

import numpy as np

from marketdata.domain.instruments import ExchangeSegment, InstrumentKey, InstrumentType
from simulator.listing import Listed, Listing
from simulator.packet_arrays import HEAD, Records
from simulator.pricing import Bools, Floats

DAYS_PER_YEAR = 365.0  # calendar days, as the broker's theta counts
MIN_TICK = 0.01  # one paisa; some rows of a master have tick 0
MIN_STRIKES = 5  # chosen: fewer strikes show no most common gap
# Chosen: typical implied volatilities of 2026, a year.
INDEX_VOLATILITY = 0.13
STOCK_VOLATILITY = 0.28
COMMODITY_VOLATILITY = {"CRUDEOIL": 0.35, "NATURALGAS": 0.60, "SILVER": 0.30, "COPPER": 0.22, "GOLD": 0.17}
INDIA_VIX = "INDIA VIX"
INDEX_TYPES = frozenset((InstrumentType.INDEX, InstrumentType.FUTIDX, InstrumentType.OPTIDX))
STOCK_TYPES = frozenset((InstrumentType.EQUITY, InstrumentType.FUTSTK, InstrumentType.OPTSTK))

# Family and symbol: an index and a stock may share a symbol.
DriverKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Drivers:
    """The drivers: level at the start, beta to the common factor, volatility a year."""

    names: tuple[DriverKey, ...]
    level: Floats
    beta: Floats
    volatility: Floats


@dataclass(frozen=True, slots=True)
class Contracts:
    """The constant properties of every listed row, in listing order."""

    keys: tuple[InstrumentKey, ...]
    heads: Records
    drivers: Drivers
    driver: np.ndarray[tuple[int], np.dtype[np.intp]]
    is_index: Bools
    is_option: Bools
    is_call: Bools
    is_derivative: Bools
    strike: Floats
    # Years to the expiry of the option at the start.
    option_years: Floats
    # Years to the expiry of the forward an option is written on; of a future itself; 0 for a spot.
    carry_years: Floats
    tick: Floats
    lot: Floats
    # Position of the driver in its family, from 0: listings start with the most traded names.
    rank: Floats

    def __len__(self) -> int:
        return len(self.keys)


def driver_key(row: Listed) -> DriverKey:
    """Return the key of the driver of `row`."""
    if row.key.segment is ExchangeSegment.MCX_COMM:
        return "commodity", row.underlying
    if row.type in INDEX_TYPES:
        return "index", row.underlying
    return ("stock" if row.type in STOCK_TYPES else "currency"), row.underlying


def read_contracts(listing: Listing, *, today: date) -> Contracts:
    """Return the arrays of `listing` as of `today`."""
    drivers, driver, rank = _read_drivers(listing)
    heads = np.zeros(len(listing), dtype=HEAD)
    heads["segment"] = [int(row.key.segment) for row in listing]
    heads["security_id"] = [row.key.security_id for row in listing]
    is_option = np.array([row.type.is_option for row in listing], dtype=bool)
    years = np.array([_years_to(row.expiry, today) for row in listing])
    return Contracts(
        keys=tuple(row.key for row in listing),
        heads=heads,
        drivers=drivers,
        driver=driver,
        is_index=np.array([row.type is InstrumentType.INDEX for row in listing], dtype=bool),
        is_option=is_option,
        is_call=np.array([row.option_type == "CE" for row in listing], dtype=bool),
        is_derivative=np.array([row.expiry is not None for row in listing], dtype=bool),
        # NaN marks rows without a strike: a use by mistake shows up in every result.
        strike=np.array([row.strike or np.nan for row in listing]),
        option_years=years,
        carry_years=_carry_years(listing, years, today=today),
        tick=np.maximum(np.array([row.tick for row in listing]), MIN_TICK),
        lot=np.array([float(row.lot) for row in listing]),
        rank=rank,
    )


def _years_to(expiry: date | None, today: date) -> float:
    return 0.0 if expiry is None else max((expiry - today).days, 0) / DAYS_PER_YEAR


def _carry_years(listing: Listing, years: Floats, *, today: date) -> Floats:
    """An option on a commodity is written on the first future that outlives it; elsewhere on its own forward."""
    futures: dict[str, list[date]] = {}
    for row in listing:
        if row.type is InstrumentType.FUTCOM and row.expiry is not None:
            futures.setdefault(row.underlying, []).append(row.expiry)
    carry = years.copy()
    for at, row in enumerate(listing):
        if row.type is InstrumentType.OPTFUT and row.expiry is not None:
            outliving = [one for one in futures.get(row.underlying, ()) if one >= row.expiry]
            carry[at] = _years_to(min(outliving, default=row.expiry), today)
    return carry


def _read_drivers(listing: Listing) -> tuple[Drivers, np.ndarray[tuple[int], np.dtype[np.intp]], Floats]:
    index_of: dict[DriverKey, int] = {}
    rank_of: list[int] = []
    levels: dict[DriverKey, float] = {}
    families: Counter[str] = Counter()
    driver = np.zeros(len(listing), dtype=np.intp)
    for at, row in enumerate(listing):
        name = driver_key(row)
        if name not in index_of:
            index_of[name] = len(index_of)
            rank_of.append(families[name[0]])
            families[name[0]] += 1
        if row.level is not None:
            levels.setdefault(name, row.level)
        driver[at] = index_of[name]
    names = tuple(index_of)
    unknown = {name for name in names if name not in levels}
    levels |= _levels_from_strikes(listing, unknown)
    return (
        Drivers(
            names=names,
            level=np.array([levels.get(name) or _level_from_name(name) for name in names]),
            beta=np.array([_beta(name) for name in names]),
            volatility=np.array([_volatility(name) for name in names]),
        ),
        driver,
        np.array(rank_of, dtype=np.float64)[driver],
    )


def _levels_from_strikes(listing: Listing, wanted: set[DriverKey]) -> dict[DriverKey, float]:
    series: dict[DriverKey, dict[date, set[float]]] = {}
    for row in listing:
        if row.strike is not None and row.expiry is not None and (name := driver_key(row)) in wanted:
            series.setdefault(name, {}).setdefault(row.expiry, set()).add(row.strike)
    levels: dict[DriverKey, float] = {}
    for name, strikes_of in series.items():
        # The nearest series with enough strikes; a new series starts with a few around the money.
        listed_enough = [expiry for expiry in sorted(strikes_of) if len(strikes_of[expiry]) >= MIN_STRIKES]
        nearest = listed_enough[0] if listed_enough else min(strikes_of)
        levels[name] = middle_of_core(sorted(strikes_of[nearest]))
    return levels


def middle_of_core(strikes: Sequence[float]) -> float:
    """Return the middle of the stretch of ascending `strikes` that stand at their most common gap."""
    gaps = [round(high - low, 4) for low, high in pairwise(strikes)]
    if not gaps:
        return strikes[0]
    common = Counter(gaps).most_common(1)[0][0]
    # Far strikes have wider gaps; without them the middle is where the exchange expects the money.
    core = [at for at, gap in enumerate(gaps) if gap <= common]
    return (strikes[core[0]] + strikes[core[-1] + 1]) / 2


def _hash_fraction(name: DriverKey, salt: str) -> float:
    """Return a number in [0, 1) that depends on name and salt only."""
    return crc32(f"{salt}:{name[0]}:{name[1]}".encode()) / 2**32


def _level_from_name(name: DriverKey) -> float:
    """Return a level between 20 and 4,000 rupees, uniform in its logarithm."""
    return round(float(20.0 * 200.0 ** _hash_fraction(name, "level")), 2)


def _beta(name: DriverKey) -> float:
    family, symbol = name
    # Negative: volatility rises when the market falls. The size is chosen.
    if symbol == INDIA_VIX:
        return -4.0
    if family == "index":
        return 1.0
    # Chosen: betas of large Indian stocks, 0.6 to 1.5; commodities hardly follow the stock market.
    return 0.6 + 0.9 * _hash_fraction(name, "beta") if family == "stock" else 0.1


def _volatility(name: DriverKey) -> float:
    family, symbol = name
    if symbol == INDIA_VIX:
        return 0.80
    if family == "index":
        return INDEX_VOLATILITY
    if family == "stock":
        return STOCK_VOLATILITY + 0.15 * _hash_fraction(name, "volatility")
    return next((value for known, value in COMMODITY_VOLATILITY.items() if symbol.startswith(known)), 0.12)
