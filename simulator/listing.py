"""The listed contracts, with the names that exchange and broker give them.

`demo_listing` makes a listing relative to a date, `master` reads one from a file. Prices are in `market`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from marketdata.domain.instruments import Exchange, InstrumentKey, InstrumentType, OptionType


@dataclass(frozen=True, slots=True)
class Listed:
    """One contract. `tick` is in rupees; `level` is its approximate price, if the listing knows one."""

    key: InstrumentKey
    exchange: Exchange
    type: InstrumentType
    # Symbol of the underlying; for an index or equity its symbol as its derivatives write it.
    underlying: str
    # Trading symbol; weekly options of one month share one.
    symbol: str
    display_name: str
    tick: float
    lot: int = 1
    expiry: date | None = None
    strike: float | None = None
    option_type: OptionType | None = None
    level: float | None = None
    company: str = ""
    series: str = ""


Listing = Sequence[Listed]
