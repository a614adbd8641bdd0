"""The underlyings of the demo listing: indices, commodities and stocks, with the properties of their series.

Ids, lots, ticks and strike steps are real, of broker and exchanges in 2026. `equities.csv` contains the two hundred
stocks with derivatives on 10 Feb 2026; the level of each is in the middle of the strikes listed then. Numbers of
expiries are invented: larger than at the exchange if a preload rule needs more. `fictional` adds stocks without
derivatives.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from marketdata.domain.instruments import Exchange
from simulator.expiry_dates import Weekday

EQUITIES_FILE = Path(__file__).with_name("equities.csv")


@dataclass(frozen=True, slots=True)
class IndexUnderlying:
    """An index; `lot` 0 means no derivatives."""

    # The symbol in its derivatives.
    symbol: str
    # The symbol in its own row.
    listed_symbol: str
    security_id: int
    exchange: Exchange
    name: str
    level: float
    tick: float
    lot: int = 0
    strike_step: int = 0
    far_strike_step: int = 0
    future_tick: float = 0.05
    exchange_token: int = 0
    weeklies: int = 0
    monthlies: int = 0
    quarterlies: int = 0
    half_yearlies: int = 0
    mnemonic: str = ""  # on BSE

    @property
    def weekday(self) -> Weekday:
        """The weekday on which its contracts expire."""
        return Weekday.TUESDAY if self.exchange is Exchange.NSE else Weekday.THURSDAY


@dataclass(frozen=True, slots=True)
class CommodityUnderlying:
    """A commodity: futures in `months`, and options on each future if `strike_step` is given."""

    symbol: str
    commodity_id: int
    level: float
    future_tick: float
    months: tuple[int, ...]
    futures: int
    days_before_month_end: int
    strike_step: float = 0.0
    option_tick: float = 0.0
    option_days_before: int = 0
    options: int = 0


@dataclass(frozen=True, slots=True)
class Stock:
    """A share, listed on each exchange for which it has an id; `lot` 0 means no derivatives."""

    symbol: str
    nse_id: int | None
    nse_tick: float
    bse_id: int | None
    bse_group: str
    bse_tick: float
    name: str
    company: str
    level: float | None = None
    strike_step: float = 0.0
    lot: int = 0
    future_tick: float = 0.0


NSE, BSE = Exchange.NSE, Exchange.BSE
# In the order of the fields: symbols, id, exchange, name, level, tick, lot, strike steps, tick of futures, token of the
# exchange, then the numbers of weekly, monthly, quarterly and half-yearly expiries.
INDICES = (
    IndexUnderlying("NIFTY", "NIFTY", 13, NSE, "Nifty 50", 25_920.0, 0.05, 65, 50, 500, 0.10, 26_000, 9, 4, 4, 7),
    IndexUnderlying(
        "BANKNIFTY", "BANKNIFTY", 25, NSE, "Nifty Bank", 60_150.0, 0.05, 30, 100, 500, 0.20, 26_009, 0, 5, 4
    ),
    IndexUnderlying("FINNIFTY", "FINNIFTY", 27, NSE, "Finnifty", 27_850.0, 0.05, 60, 50, 500, 0.10, 26_037, 0, 5, 3),
    IndexUnderlying(
        "MIDCPNIFTY", "MIDCPNIFTY", 442, NSE, "Nifty Midcap Select", 13_780.0, 0.05, 120, 25, 250, 0.05, 26_074, 0, 5, 3
    ),
    IndexUnderlying(
        "NIFTYNXT50", "NIFTY NEXT 50", 38, NSE, "Nifty Next 50", 69_400.0, 0.05, 25, 100, 500, 0.20, 26_013, 0, 3
    ),
    IndexUnderlying(
        "SENSEX", "SENSEX", 51, BSE, "Sensex", 84_250.0, 0.01, 20, 100, 1_000, 0.05, 1, 5, 4, 4, 7, mnemonic="BSX"
    ),
    IndexUnderlying(
        "BANKEX", "BANKEX", 69, BSE, "BSE BANKEX", 67_300.0, 0.01, 30, 100, 500, 0.05, 12, 0, 5, 3, mnemonic="BKX"
    ),
    IndexUnderlying(
        "SENSEX50", "SNSX50", 83, BSE, "BSE Sensex 50", 26_900.0, 0.01, 75, 50, 250, 0.05, 83, 0, 3, mnemonic="SX50"
    ),
    IndexUnderlying("INDIA VIX", "INDIA VIX", 21, NSE, "India VIX", 12.40, 0.01),
    IndexUnderlying("GIFTNIFTY", "GIFTNIFTY", 5_024, NSE, "Gift Nifty", 26_010.0, 0.50),
)

EVERY_MONTH = tuple(range(1, 13))  # MCX contract specifications: a contract in each month

# In the order of the fields: symbol, id, level, tick of futures, contract months, number of futures, days from expiry
# to the end of the month; of the options: strike step, tick, days before the expiry of the future, number of expiries.
COMMODITIES = (
    CommodityUnderlying("GOLD", 114, 157_400.0, 1.0, (2, 4, 6, 8, 10, 12), 5, 26),
    CommodityUnderlying("SILVER", 115, 262_500.0, 1.0, (3, 5, 7, 9, 12), 5, 26),
    CommodityUnderlying("COPPER", 116, 1_232.0, 0.05, EVERY_MONTH, 5, 0),
    CommodityUnderlying("CRUDEOIL", 294, 5_745.0, 1.0, EVERY_MONTH, 6, 11, 50.0, 0.10, 2, 3),
    CommodityUnderlying("NATURALGAS", 401, 298.4, 0.10, EVERY_MONTH, 6, 4, 5.0, 0.05, 2, 3),
)


def read_stocks() -> tuple[Stock, ...]:
    """Return the shares of `equities.csv`, all with derivatives, the most traded first."""
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
        level=float(row["level"]),
        strike_step=float(row["strike_step"]),
        lot=int(row["lot"]),
        future_tick=float(row["future_tick_paise"]) / 100,
    )
