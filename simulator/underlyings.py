"""What the demo listing is made of: indices, commodities and stocks, with the shape of their series.

Ids, lots, ticks and strike gaps of indices and commodities are facts, the broker's and the exchanges' of 2026;
`equities.csv` has those of the two hundred stocks with derivatives on 10 Feb 2026, each with a level in the middle of
the strikes listed then. Invented are the counts of expiries, larger than an exchange lists where a preload rule asks
for more. Stocks without derivatives are not here: `fictional` makes them up.
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
    strike_step: int = 0
    far_strike_step: int = 0
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
    strike_step: float = 0.0
    option_tick: float = 0.0
    option_days_before: int = 0
    options: int = 0


@dataclass(frozen=True, slots=True)
class Stock:
    """A share, listed where it has an id; with `lot` 0 it has no derivatives."""

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


INDICES = (
    IndexUnderlying(
        symbol="NIFTY",
        listed_symbol="NIFTY",
        security_id=13,
        exchange=Exchange.NSE,
        name="Nifty 50",
        level=25_920.0,
        tick=0.05,
        lot=65,
        strike_step=50,
        far_strike_step=500,
        future_tick=0.10,
        exchange_token=26_000,
        weeklies=9,
        monthlies=4,
        quarterlies=4,
        half_yearlies=7,
    ),
    IndexUnderlying(
        symbol="BANKNIFTY",
        listed_symbol="BANKNIFTY",
        security_id=25,
        exchange=Exchange.NSE,
        name="Nifty Bank",
        level=60_150.0,
        tick=0.05,
        lot=30,
        strike_step=100,
        far_strike_step=500,
        future_tick=0.20,
        exchange_token=26_009,
        monthlies=5,
        quarterlies=4,
    ),
    IndexUnderlying(
        symbol="FINNIFTY",
        listed_symbol="FINNIFTY",
        security_id=27,
        exchange=Exchange.NSE,
        name="Finnifty",
        level=27_850.0,
        tick=0.05,
        lot=60,
        strike_step=50,
        far_strike_step=500,
        future_tick=0.10,
        exchange_token=26_037,
        monthlies=5,
        quarterlies=3,
    ),
    IndexUnderlying(
        symbol="MIDCPNIFTY",
        listed_symbol="MIDCPNIFTY",
        security_id=442,
        exchange=Exchange.NSE,
        name="Nifty Midcap Select",
        level=13_780.0,
        tick=0.05,
        lot=120,
        strike_step=25,
        far_strike_step=250,
        future_tick=0.05,
        exchange_token=26_074,
        monthlies=5,
        quarterlies=3,
    ),
    IndexUnderlying(
        symbol="NIFTYNXT50",
        listed_symbol="NIFTY NEXT 50",
        security_id=38,
        exchange=Exchange.NSE,
        name="Nifty Next 50",
        level=69_400.0,
        tick=0.05,
        lot=25,
        strike_step=100,
        far_strike_step=500,
        future_tick=0.20,
        exchange_token=26_013,
        monthlies=3,
    ),
    IndexUnderlying(
        symbol="SENSEX",
        listed_symbol="SENSEX",
        security_id=51,
        exchange=Exchange.BSE,
        name="Sensex",
        level=84_250.0,
        tick=0.01,
        lot=20,
        strike_step=100,
        far_strike_step=1_000,
        future_tick=0.05,
        exchange_token=1,
        mnemonic="BSX",
        weeklies=5,
        monthlies=4,
        quarterlies=4,
        half_yearlies=7,
    ),
    IndexUnderlying(
        symbol="BANKEX",
        listed_symbol="BANKEX",
        security_id=69,
        exchange=Exchange.BSE,
        name="BSE BANKEX",
        level=67_300.0,
        tick=0.01,
        lot=30,
        strike_step=100,
        far_strike_step=500,
        future_tick=0.05,
        exchange_token=12,
        mnemonic="BKX",
        monthlies=5,
        quarterlies=3,
    ),
    IndexUnderlying(
        symbol="SENSEX50",
        listed_symbol="SNSX50",
        security_id=83,
        exchange=Exchange.BSE,
        name="BSE Sensex 50",
        level=26_900.0,
        tick=0.01,
        lot=75,
        strike_step=50,
        far_strike_step=250,
        future_tick=0.05,
        exchange_token=83,
        mnemonic="SX50",
        monthlies=3,
    ),
    IndexUnderlying("INDIA VIX", "INDIA VIX", 21, Exchange.NSE, "India VIX", level=12.40, tick=0.01),
    IndexUnderlying("GIFTNIFTY", "GIFTNIFTY", 5_024, Exchange.NSE, "Gift Nifty", level=26_010.0, tick=0.50),
)

EVERY_MONTH = tuple(range(1, 13))

COMMODITIES = (
    CommodityUnderlying(
        symbol="GOLD",
        commodity_id=114,
        level=157_400.0,
        future_tick=1.0,
        months=(2, 4, 6, 8, 10, 12),
        futures=5,
        days_before_month_end=26,
    ),
    CommodityUnderlying(
        symbol="SILVER",
        commodity_id=115,
        level=262_500.0,
        future_tick=1.0,
        months=(3, 5, 7, 9, 12),
        futures=5,
        days_before_month_end=26,
    ),
    CommodityUnderlying(
        symbol="COPPER",
        commodity_id=116,
        level=1_232.0,
        future_tick=0.05,
        months=EVERY_MONTH,
        futures=5,
        days_before_month_end=0,
    ),
    CommodityUnderlying(
        symbol="CRUDEOIL",
        commodity_id=294,
        level=5_745.0,
        future_tick=1.0,
        months=EVERY_MONTH,
        futures=6,
        days_before_month_end=11,
        strike_step=50.0,
        option_tick=0.10,
        option_days_before=2,
        options=3,
    ),
    CommodityUnderlying(
        symbol="NATURALGAS",
        commodity_id=401,
        level=298.4,
        future_tick=0.10,
        months=EVERY_MONTH,
        futures=6,
        days_before_month_end=4,
        strike_step=5.0,
        option_tick=0.05,
        option_days_before=2,
        options=3,
    ),
)


def read_stocks() -> tuple[Stock, ...]:
    """Return the shares of `equities.csv`, all with derivatives, the best known at the front."""
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
