"""What is listed: one value per contract, as the exchanges describe it, and the names the broker gives them.

Where the contracts come from is decided elsewhere: `demo_listing` makes some relative to a date, `master` reads a
file. What they are worth is `market`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from marketdata.domain.instruments import Exchange, InstrumentKey, InstrumentType, OptionType


@dataclass(frozen=True, slots=True)
class Listed:
    """One contract of a listing; `tick` in rupees, `level` is a hint of its price where the listing has one."""

    key: InstrumentKey
    exchange: Exchange
    type: InstrumentType
    underlying: str
    """Symbol of what drives its price; an index or equity has its own symbol, as its derivatives write it."""
    symbol: str
    """Trading symbol; several weekly options share one."""
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
