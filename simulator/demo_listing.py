"""The demo listing, relative to a date: every series that the preload rules of the terminal name, and the stocks.

Indices, commodities and stocks with derivatives are real (`underlyings`); other stocks are fictional (`fictional`).

Ids of derivatives are invented. They are computed, not counted, so a contract keeps its id from day to day, until its
series is near and gets its fine strikes. Each underlying has a block of ids in its segment; expiry and strike give the
offset in the block. As at the broker, an id is unique in its segment only: 13 is NIFTY in IDX_I and ABB in NSE_EQ, and
a stock's options on BSE repeat ids of those on NSE.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from itertools import islice

from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentKey, InstrumentType, OptionType
from simulator import expiry_dates
from simulator.expiry_dates import Weekday
from simulator.fictional import make_fictional_stocks
from simulator.listing import Listed
from simulator.underlyings import COMMODITIES, INDICES, CommodityUnderlying, IndexUnderlying, Stock, read_stocks


class Size(StrEnum):
    """The size of the demo listing."""

    DEMO = "demo"
    SMALL = "small"
    FULL = "full"  # as many contracts as the broker lists, about 280,000


@dataclass(frozen=True, slots=True)
class _Extent:
    """How many series and strikes a size lists."""

    # Contains the widest window, 50 + 1 + 50, after the spot has moved for a day.
    near_strikes: int = 241
    # Contains a window of 25 on both sides of a moving spot.
    stock_strikes: int = 61
    # How many stocks, the first ones, have options on BSE too: enough to test a symbol on two exchanges.
    bse_stocks: int = 5
    # The smallest listing that still contains a window of 25.
    bse_stock_strikes: int = 41
    # Ids of the derivatives of stocks: the first, and the strikes that one series has ids for.
    first_stock_id: int = 35_000
    stock_block: int = 64


# All chosen. The full listing has the broker's number of contracts, not its distribution: the broker also lists options
# on currencies, and on commodities that have no segment in its feed. Its blocks of ids are above those of the others.
EXTENTS = {
    Size.DEMO: _Extent(),
    Size.SMALL: _Extent(near_strikes=161),
    Size.FULL: _Extent(
        stock_strikes=121, bse_stocks=200, bse_stock_strikes=89, first_stock_id=1_000_000, stock_block=128
    ),
}
SMALL_STOCKS = frozenset(("RELIANCE", "INFY", "HDFCBANK", "TCS", "M&M", "BAJAJ-AUTO"))
NEAR_DAYS = 190  # chosen: about six months; later series have coarse strikes only
MIN_STRIKES = 41  # chosen: the smallest listing that still contains a window of 25
COMMODITY_STRIKES = 61  # chosen: contains a window of 25 on both sides of a moving price
STOCK_EXPIRIES = FUTURES = 3  # near, next and far month (NSE contract specifications, 2026)
INDEX_OPTION_TICK = STOCK_OPTION_TICK = 0.05  # rupees (NSE and BSE contract specifications, 2026)


@dataclass(frozen=True, slots=True)
class _Block:
    """The ids of one underlying's derivatives: `expiries` x `strikes` x 2 options, then 16 futures."""

    first: int
    expiries: int
    strikes: int

    def option(self, expiry_number: int, step: int, option_type: OptionType) -> int:
        # Modulo: expired series return their ids to later ones, as exchanges reuse ids.
        slot = (expiry_number % self.expiries) * self.strikes + step % self.strikes
        return self.first + 2 * slot + (option_type is OptionType.PE)

    def future(self, expiry: date) -> int:
        return self.first + 2 * self.expiries * self.strikes + _month_number(expiry) % 16

    @property
    def end(self) -> int:
        return self.first + 2 * self.expiries * self.strikes + 16


# Chosen: blocks that do not overlap, in the range of the broker's ids of derivatives.
FIRST_INDEX_ID = 250_000
FIRST_COMMODITY_ID = 430_000


@cache  # A fork of a process that has made a listing need not make it again.
def make_listing(today: date, *, size: Size = Size.DEMO) -> tuple[Listed, ...]:
    """Return all contracts listed on `today`."""
    stocks = (*read_stocks(), *make_fictional_stocks())
    if size is Size.SMALL:
        stocks = tuple(stock for stock in stocks if stock.symbol in SMALL_STOCKS)
    return (
        *(_index_row(index) for index in INDICES),
        *(row for stock in stocks for row in _share_rows(stock)),
        *_index_derivatives(today, near_strikes=EXTENTS[size].near_strikes),
        *_commodities(today),
        *_stock_derivatives(stocks, today, extent=EXTENTS[size]),
    )


def index_expiries(index: IndexUnderlying, today: date) -> list[date]:
    """Return the expiries of the options on `index` as of `today`, ascending."""
    weekday = index.weekday
    expiries = {
        *expiry_dates.weekly_expiries(today, weekday=weekday, count=index.weeklies),
        *(
            expiry
            for months, count in (
                (None, index.monthlies),
                (expiry_dates.QUARTER_MONTHS, index.quarterlies),
                (expiry_dates.HALF_YEAR_MONTHS, index.half_yearlies),
            )
            for expiry in expiry_dates.monthly_expiries(today, weekday=weekday, count=count, months=months)
        ),
    }
    return sorted(expiries)


def strikes_around(level: float, step: float, count: int) -> list[float]:
    """Return `count` listed strikes, multiples of `step`, as many below `level` as above, none below one step."""
    middle = round(level / step)
    first = max(middle - count // 2, 1)
    return [round((first + at) * step, 2) for at in range(count)]


def _index_row(index: IndexUnderlying) -> Listed:
    return Listed(
        key=InstrumentKey(ExchangeSegment.IDX_I, index.security_id),
        exchange=index.exchange,
        type=InstrumentType.INDEX,
        underlying=index.symbol,
        symbol=index.listed_symbol,
        display_name=index.name,
        tick=index.tick,
        level=index.level,
        company=index.listed_symbol,
        series="X",
    )


def _share_rows(stock: Stock) -> Iterator[Listed]:
    for exchange, segment, security_id, tick, series in (
        (Exchange.NSE, ExchangeSegment.NSE_EQ, stock.nse_id, stock.nse_tick, "EQ"),
        (Exchange.BSE, ExchangeSegment.BSE_EQ, stock.bse_id, stock.bse_tick, stock.bse_group),
    ):
        if security_id is None:
            continue
        yield Listed(
            key=InstrumentKey(segment, security_id),
            exchange=exchange,
            type=InstrumentType.EQUITY,
            underlying=stock.symbol,
            symbol=stock.symbol,
            display_name=stock.name,
            tick=tick,
            level=stock.level,
            company=stock.company,
            series=series,
        )


def _index_derivatives(today: date, *, near_strikes: int) -> Iterator[Listed]:
    first = FIRST_INDEX_ID
    for index in (one for one in INDICES if one.lot):
        is_nse = index.exchange is Exchange.NSE
        segment = ExchangeSegment.NSE_FNO if is_nse else ExchangeSegment.BSE_FNO
        near = _Block(first, 32, 256)
        # Sizes are powers of two above the listed numbers, so ids of two listed contracts never collide.
        far = _Block(near.end, 64, 64)
        first = far.end
        factory = _Derivatives(
            segment,
            index.exchange,
            InstrumentType.FUTIDX,
            InstrumentType.OPTIDX,
            index.symbol,
            index.lot,
            index.mnemonic,
        )
        for expiry in expiry_dates.monthly_expiries(today, weekday=index.weekday, count=FUTURES):
            yield factory.future(near.future(expiry), expiry, tick=index.future_tick)
        for expiry in index_expiries(index, today):
            # Near series have fine strikes; far ones have few coarse strikes in a separate block of ids.
            if expiry <= today + timedelta(days=NEAR_DAYS):
                block, number = near, expiry.toordinal() // 7
                step, count = index.strike_step, near_strikes
            else:
                block, number, step, count = far, _month_number(expiry), index.far_strike_step, MIN_STRIKES
            strikes = strikes_around(index.level, step, count)
            yield from factory.options(block, number, expiry, strikes, step=step, tick=INDEX_OPTION_TICK)


def _stock_derivatives(stocks: tuple[Stock, ...], today: date, *, extent: _Extent) -> Iterator[Listed]:
    nse_expiries = expiry_dates.monthly_expiries(today, weekday=Weekday.TUESDAY, count=STOCK_EXPIRIES)
    bse_expiries = expiry_dates.monthly_expiries(today, weekday=Weekday.THURSDAY, count=STOCK_EXPIRIES)
    first = extent.first_stock_id
    for rank, stock in enumerate(one for one in stocks if one.lot):
        block = _Block(first, 8, extent.stock_block)
        first = block.end
        factory = _Derivatives(
            ExchangeSegment.NSE_FNO,
            Exchange.NSE,
            InstrumentType.FUTSTK,
            InstrumentType.OPTSTK,
            stock.symbol,
            stock.lot,
            "",
        )
        for expiry in nse_expiries:
            yield factory.future(block.future(expiry), expiry, tick=stock.future_tick)
        yield from _stock_options(factory, block, stock, nse_expiries, count=extent.stock_strikes)
        if rank < extent.bse_stocks:
            factory = _Derivatives(
                ExchangeSegment.BSE_FNO,
                Exchange.BSE,
                InstrumentType.FUTSTK,
                InstrumentType.OPTSTK,
                stock.symbol,
                stock.lot,
                stock.symbol[:4],
            )
            yield from _stock_options(factory, block, stock, bse_expiries, count=extent.bse_stock_strikes)


def _stock_options(
    factory: "_Derivatives", block: _Block, stock: Stock, expiries: list[date], *, count: int
) -> Iterator[Listed]:
    if stock.level is None:
        return
    strikes = strikes_around(stock.level, stock.strike_step, count)
    for expiry in expiries:
        number = _month_number(expiry)
        yield from factory.options(block, number, expiry, strikes, step=stock.strike_step, tick=STOCK_OPTION_TICK)


def _commodities(today: date) -> Iterator[Listed]:
    first = FIRST_COMMODITY_ID
    for commodity in COMMODITIES:
        block = _Block(first, 16, 96)
        first = block.end
        factory = _Derivatives(
            ExchangeSegment.MCX_COMM,
            Exchange.MCX,
            InstrumentType.FUTCOM,
            InstrumentType.OPTFUT,
            commodity.symbol,
            1,
            commodity.symbol,
        )
        # Only the nearest future gets the level: the others follow it by carry.
        for at, expiry in enumerate(commodity_expiries(commodity, today)):
            level = commodity.level if at == 0 else None
            yield factory.future(block.future(expiry), expiry, tick=commodity.future_tick, level=level)
        step, tick = commodity.strike_step, commodity.option_tick
        for expiry in commodity_option_expiries(commodity, today):
            strikes = strikes_around(commodity.level, step, COMMODITY_STRIKES)
            yield from factory.options(block, _month_number(expiry), expiry, strikes, step=step, tick=tick)


def commodity_expiries(commodity: CommodityUnderlying, today: date) -> list[date]:
    """Return the expiries of its futures on `today`, ascending."""
    expiries = (
        expiry_dates.trading_day_at_or_before(
            expiry_dates.last_day_of_month(year, month) - timedelta(days=commodity.days_before_month_end)
        )
        for year, month in expiry_dates.months_from(today)
        if month in commodity.months
    )
    return list(islice((expiry for expiry in expiries if expiry >= today), commodity.futures))


def commodity_option_expiries(commodity: CommodityUnderlying, today: date) -> list[date]:
    """Return the expiries of its options as of `today`, ascending: some trading days before those of its futures."""
    expiries = (
        expiry_dates.trading_days_before(expiry, commodity.option_days_before)
        for expiry in commodity_expiries(commodity, today)
    )
    return [expiry for expiry in expiries if expiry >= today][: commodity.options]


def _month_number(day: date) -> int:
    return day.year * 12 + day.month


@dataclass(frozen=True, slots=True)
class _Derivatives:
    """Makes derivatives of one underlying with names in the style of its exchange."""

    segment: ExchangeSegment
    exchange: Exchange
    future_type: InstrumentType
    option_type: InstrumentType
    underlying: str
    lot: int
    mnemonic: str

    def future(self, security_id: int, expiry: date, *, tick: float, level: float | None = None) -> Listed:
        separator = "  " if self.exchange is Exchange.BSE else " "  # The real file has two spaces in BSE futures.
        display_name = f"{self.underlying} {expiry:%b}".upper() + f"{separator}FUT"
        return self._listed(security_id, self.future_type, expiry, "FUT", display_name, tick=tick, level=level)

    def options(
        self, block: _Block, number: int, expiry: date, strikes: list[float], *, step: float, tick: float
    ) -> Iterator[Listed]:
        """Yield call and put of each strike; `number` selects the ids of the series in `block`."""
        for strike in strikes:
            for option_type, side in ((OptionType.CE, "CALL"), (OptionType.PE, "PUT")):
                security_id = block.option(number, round(strike / step), option_type)
                name = f"{strike:g}-{option_type}"
                display_name = f"{self.underlying} {expiry:%d %b} {strike:g} {side}".upper()
                yield self._listed(
                    security_id,
                    self.option_type,
                    expiry,
                    name,
                    display_name,
                    tick=tick,
                    strike=strike,
                    option_type=option_type,
                )

    def _listed(
        self,
        security_id: int,
        kind: InstrumentType,
        expiry: date,
        name: str,
        display_name: str,
        *,
        tick: float,
        strike: float | None = None,
        option_type: OptionType | None = None,
        level: float | None = None,
    ) -> Listed:
        """Return what a future and an option have in common."""
        month = f"{expiry:%d%b%Y}" if self.exchange is Exchange.MCX else f"{expiry:%b%Y}"
        suffix = ("OPT" if kind.is_option else "FUT") if self.exchange is Exchange.BSE else ""
        return Listed(
            key=InstrumentKey(self.segment, security_id),
            exchange=self.exchange,
            type=kind,
            underlying=self.underlying,
            symbol=f"{self.underlying}-{month}-{name}",
            display_name=display_name,
            lot=self.lot,
            expiry=expiry,
            company=f"{self.mnemonic}{suffix}",
            tick=tick,
            strike=strike,
            option_type=option_type,
            level=level,
        )
