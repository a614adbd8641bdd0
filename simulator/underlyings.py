"""What the demo listing is made of: indices, commodities and stocks, with the shape of their series.

Index and commodity ids, lots, ticks and strike gaps are the broker's and the exchanges' of 2026; stocks come from
`equities.csv`, whose rows were taken from the broker's public instrument file of 10 Feb 2026 (ISINs: 15 Apr 2026),
with a level in the middle of the strikes listed then. Counts of expiries are larger than an exchange lists where a
preload rule asks for more.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from marketdata.domain.instruments import Exchange
from simulator.expiry_dates import Weekday

EQUITIES_FILE = Path(__file__).with_name("equities.csv")


@dataclass(frozen=True, slots=True)
class IndexUnderlying:
    """An index; with `lot` 0 it has no derivatives."""

    symbol: str
    """As its derivatives write it."""
    listed_symbol: str
    """As its own row writes it."""
    security_id: int
    exchange: Exchange
    name: str
    level: float
    tick: float
    lot: int = 0
    strike_gap: int = 0
    far_gap: int = 0
    future_tick: float = 0.05
    exchange_token: int = 0
    mnemonic: str = ""
    weeklies: int = 0
    monthlies: int = 0
    quarterlies: int = 0
    half_yearlies: int = 0

    @property
    def weekday(self) -> Weekday:
        """When its contracts expire."""
        return Weekday.TUESDAY if self.exchange is Exchange.NSE else Weekday.THURSDAY


@dataclass(frozen=True, slots=True)
class CommodityUnderlying:
    """A commodity: its futures every `every` months, its options (if a gap is given) on each future."""

    symbol: str
    commodity_id: int
    level: float
    future_tick: float
    months: tuple[int, ...]
    futures: int
    days_before_month_end: int
    strike_gap: float = 0.0
    option_tick: float = 0.0
    option_days_before: int = 0
    options: int = 0


@dataclass(frozen=True, slots=True)
class Stock:
    """A share; with `lot` 0 it has no derivatives."""

    symbol: str
    nse_id: int
    nse_tick: float
    bse_id: int | None
    bse_group: str
    bse_tick: float
    name: str
    company: str
    isin: str
    level: float | None = None
    strike_gap: float = 0.0
    lot: int = 0
    future_tick: float = 0.0


INDICES = (
    IndexUnderlying(
        *("NIFTY", "NIFTY", 13, Exchange.NSE, "Nifty 50", 25_920.0, 0.05),
        *(65, 50, 500, 0.10, 26_000, "", 9, 4, 4, 7),
    ),
    IndexUnderlying(
        *("BANKNIFTY", "BANKNIFTY", 25, Exchange.NSE, "Nifty Bank", 60_150.0, 0.05),
        *(30, 100, 500, 0.20, 26_009, "", 0, 5, 4, 0),
    ),
    IndexUnderlying(
        *("FINNIFTY", "FINNIFTY", 27, Exchange.NSE, "Finnifty", 27_850.0, 0.05),
        *(60, 50, 500, 0.10, 26_037, "", 0, 5, 3, 0),
    ),
    IndexUnderlying(
        *("MIDCPNIFTY", "MIDCPNIFTY", 442, Exchange.NSE, "Nifty Midcap Select", 13_780.0, 0.05),
        *(120, 25, 250, 0.05, 26_074, "", 0, 5, 3, 0),
    ),
    IndexUnderlying(
        *("NIFTYNXT50", "NIFTY NEXT 50", 38, Exchange.NSE, "Nifty Next 50", 69_400.0, 0.05),
        *(25, 100, 500, 0.20, 26_013, "", 0, 3, 0, 0),
    ),
    IndexUnderlying(
        *("SENSEX", "SENSEX", 51, Exchange.BSE, "Sensex", 84_250.0, 0.01),
        *(20, 100, 1_000, 0.05, 1, "BSX", 5, 4, 4, 7),
    ),
    IndexUnderlying(
        *("BANKEX", "BANKEX", 69, Exchange.BSE, "BSE BANKEX", 67_300.0, 0.01),
        *(30, 100, 500, 0.05, 12, "BKX", 0, 5, 3, 0),
    ),
    IndexUnderlying(
        *("SENSEX50", "SNSX50", 83, Exchange.BSE, "BSE Sensex 50", 26_900.0, 0.01),
        *(75, 50, 250, 0.05, 83, "SX50", 0, 3, 0, 0),
    ),
    IndexUnderlying("INDIA VIX", "INDIA VIX", 21, Exchange.NSE, "India VIX", 12.40, 0.01),
    IndexUnderlying("GIFTNIFTY", "GIFTNIFTY", 5_024, Exchange.NSE, "Gift Nifty", 26_010.0, 0.50),
)

EVERY_MONTH = tuple(range(1, 13))

COMMODITIES = (
    CommodityUnderlying("GOLD", 114, 157_400.0, 1.0, (2, 4, 6, 8, 10, 12), 5, 26),
    CommodityUnderlying("SILVER", 115, 262_500.0, 1.0, (3, 5, 7, 9, 12), 5, 26),
    CommodityUnderlying("COPPER", 116, 1_232.0, 0.05, EVERY_MONTH, 5, 0),
    CommodityUnderlying("CRUDEOIL", 294, 5_745.0, 1.0, EVERY_MONTH, 6, 11, 50.0, 0.10, 2, 3),
    CommodityUnderlying("NATURALGAS", 401, 298.4, 0.10, EVERY_MONTH, 6, 4, 5.0, 0.05, 2, 3),
)


def read_stocks() -> tuple[Stock, ...]:
    """Return the shares of `equities.csv`, those with derivatives first, the best known of them at the front."""
    with EQUITIES_FILE.open(newline="", encoding="ascii") as file:
        return tuple(_stock(row) for row in csv.DictReader(file))


def _stock(row: dict[str, str]) -> Stock:
    return Stock(
        symbol=row["symbol"],
        nse_id=int(row["nse_id"]),
        nse_tick=float(row["nse_tick_paise"]) / 100,
        bse_id=int(row["bse_id"]) if row["bse_id"] else None,
        bse_group=row["bse_group"],
        bse_tick=float(row["bse_tick_paise"] or 5) / 100,
        name=row["name"],
        company=row["company"],
        isin=row["isin"] or "NA",
        level=float(row["level"]) if row["level"] else None,
        strike_gap=float(row["strike_gap"] or 0),
        lot=int(row["lot"] or 0),
        future_tick=float(row["future_tick_paise"] or 0) / 100,
    )
