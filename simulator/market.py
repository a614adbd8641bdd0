"""A seeded market: the price of every listed row, and its open, high, low, volume and open interest of the day.

Theory of operation. One common factor moves all drivers by their beta, and each driver adds noise. Both revert to their
start (Ornstein-Uhlenbeck), so after a week the market is still among its listed strikes. `advance` moves the drivers.
`trade` executes a trade in the given rows at the price of their driver; rows are priced at no other time. Time and seed
are arguments: the same listing, seed and calls give the same ticks.

Prices are multiples of the tick. Open, high, low and last are consistent. Volume only grows; packets have its
lower 32 bits, as the broker's do. Open interest changes slowly. Quantities are multiples of the lot, as exchanges
report them, unless the 16 bits of LTQ are too small.
"""

import numpy as np

from marketdata.dhan.packets import IST_OFFSET_SECONDS
from marketdata.domain.instruments import InstrumentKey
from simulator.contracts import Contracts
from simulator.minute_levels import MinuteLevels
from simulator.packet_arrays import BODY, OPAQUE_BODY, Records, Rows
from simulator.pricing import RISK_FREE_RATE, Floats, black_76, smile

SECONDS_PER_YEAR = 365.0 * 86_400  # calendar time, for carry and theta
TRADING_SECONDS_PER_YEAR = 250.0 * 6.25 * 3_600  # about 250 sessions of 09:15 to 15:30, for volatility
MIN_YEARS_LEFT = 0.2 / 365.0  # chosen: closer to expiry the gamma at the money makes prices jump
MEAN_REVERSION_PER_SECOND = 1.0 / 7_200.0  # chosen: excursions of about two hours, a few strikes wide
MAX_STEP_SECONDS = 5.0  # chosen: after a suspended machine the market continues without a jump
COMMON_VOLATILITY = 0.12  # chosen: close to INDEX_VOLATILITY, so indices move mostly with the factor
LTQ_LIMIT = 65_535  # the field has 16 bits (dhan/packets.py)
VOLUME_RANGE = 2**32  # of the volume field (dhan/packets.py)
QUANTITY_LIMIT = 2**32 - 1  # open interest and depth have 32 bits (dhan/packets.py)
STALE_SECONDS = 2.0  # chosen: a liquid instrument updates more often, so few rows are refreshed


class Market:
    """Prices and daily statistics of every row of a listing."""

    def __init__(self, contracts: Contracts, *, seed: int, now: float) -> None:
        self.contracts = contracts
        self.row_of: dict[InstrumentKey, int] = {key: row for row, key in enumerate(contracts.keys)}
        self.bodies: Records = np.zeros(len(contracts), dtype=BODY)
        self.volume = np.zeros(len(contracts), dtype=np.uint64)
        """Cumulative volume of the day; the volume of `bodies` wraps at 2**32."""
        self.previous_oi = np.zeros(len(contracts), dtype=np.uint32)
        self.previous_volume = np.zeros(len(contracts), dtype=np.uint32)
        self._random = np.random.default_rng(seed)
        self._began_at = now
        self._advanced_at = now
        self._factor = 0.0
        self._noise = np.zeros(len(contracts.drivers.names))
        self._levels = self._compute_levels()
        self._traded_at = np.zeros(len(contracts))
        self._turnover = np.zeros(len(contracts))
        self._open_day(now)
        self.minutes = MinuteLevels()
        self.minutes.record(now, self._levels)

    def advance(self, now: float) -> None:
        """Move every driver to `now`. Without effect if the clock has not advanced."""
        elapsed = min(now - self._advanced_at, MAX_STEP_SECONDS)
        # Wall clocks step back; a driver that moved back too would differ from its own trades.
        if elapsed <= 0:
            return
        self._advanced_at = now
        self._step(elapsed)
        self.minutes.record(now, self._levels)

    def trade(self, rows: Rows, now: float) -> None:
        """Execute a trade in each of `rows`, which are distinct, at bid or ask around the price of its driver."""
        # Indexing by an array copies; the copy is changed column by column and written back once. As opaque bytes both
        # copies together cost 0.1 us a row instead of 1 us (benchmarks/bench_simulator.py).
        states = self.bodies.view(OPAQUE_BODY)
        bodies = states[rows].view(BODY)
        forward = self.forward(rows)
        bid, ask = self._bid_ask(self._mark(rows, forward), forward, rows)
        # A trade is at the bid or the ask with equal chance; without a bid (a worthless option) always at the ask.
        at_bid = (self._random.random(len(rows)) < 0.5) & (bid > 0)
        self._print_trade(bodies, np.where(at_bid, bid, ask), rows)
        self._move_open_interest(bodies, rows)
        self._quote_depth(bodies, bid, ask, rows)
        bodies["ltt"] = ltt_of(now)
        states[rows] = bodies.view(OPAQUE_BODY)
        self._traded_at[rows] = now

    def refresh_stale(self, rows: Rows, now: float) -> None:
        """Trade those of `rows` whose last trade is older than STALE_SECONDS: their price lags behind their driver."""
        stale = rows[now - self._traded_at[rows] > STALE_SECONDS]
        if len(stale):
            self.trade(stale, now)

    def raise_volumes(self, *, lots_left: int) -> None:
        """Raise the volume of every share and derivative to `lots_left` lots below the next wrap."""
        rows = np.flatnonzero(~self.contracts.is_index)
        next_wrap = (self.volume[rows] // VOLUME_RANGE + 1) * VOLUME_RANGE
        lot = self.contracts.lot[rows]
        # Whole lots: the last one of the range may end in the next.
        raised = (next_wrap // lot - lots_left) * lot
        self._turnover[rows] += (raised - self.volume[rows]) * self.bodies["ltp"][rows]
        self._set_volume(rows, raised)

    def mark(self, rows: Rows) -> Floats:
        """Return the theoretical price of each of `rows` now, unrounded."""
        return self._mark(rows, self.forward(rows))

    def spot(self, rows: Rows) -> Floats:
        """Return the level of each row's driver."""
        return self._levels[self.contracts.driver[rows]]

    def forward(self, rows: Rows) -> Floats:
        """Return the forward of each row: of a spot the spot, of an option the forward that it is written on."""
        elapsed = (self._advanced_at - self._began_at) / SECONDS_PER_YEAR
        carry = np.maximum(self.contracts.carry_years[rows] - elapsed, 0.0)
        return self.spot(rows) * np.exp(RISK_FREE_RATE * carry)

    def years_left(self, rows: Rows) -> Floats:
        """Return the time left of each option."""
        elapsed = (self._advanced_at - self._began_at) / SECONDS_PER_YEAR
        return np.maximum(self.contracts.option_years[rows] - elapsed, MIN_YEARS_LEFT)

    def volatility(self, rows: Rows) -> Floats:
        """Return the implied volatility of each option."""
        return self._volatility(rows, self.forward(rows), self.years_left(rows))

    def activity(self) -> Floats:
        """Return the relative trading activity of each row: highest at the money, near expiry, in well-known names."""
        contracts = self.contracts
        everything = np.arange(len(contracts))
        well_known = 1.0 / np.sqrt(1.0 + contracts.rank)
        near = 1.0 / (1.0 + 12.0 * contracts.option_years)
        deviation = contracts.drivers.volatility[contracts.driver] * np.sqrt(self.years_left(everything))
        # Rows without a strike give NaN here; the result is used for options only.
        with np.errstate(invalid="ignore"):
            away = np.abs(np.log(contracts.strike / self.forward(everything))) / deviation
        moneyness = np.where(contracts.is_option, 1.0 / (1.0 + np.nan_to_num(away, nan=0.0)) ** 2, 3.0)
        # Chosen weights: an index updates most, and no row has weight 0, or it would never update.
        return np.where(contracts.is_index, 50.0, well_known * near * moneyness) + 1e-3

    def _compute_levels(self) -> Floats:
        drivers = self.contracts.drivers
        return drivers.level * np.exp(drivers.beta * self._factor + self._noise)

    def _step(self, seconds: float) -> None:
        root = np.sqrt(seconds / TRADING_SECONDS_PER_YEAR)
        keep = 1.0 - MEAN_REVERSION_PER_SECOND * seconds
        # 0.8 is chosen: with beta and COMMON_VOLATILITY the total volatility is about that of the driver.
        own = self.contracts.drivers.volatility * 0.8 * root
        self._factor = self._factor * keep + COMMON_VOLATILITY * root * float(self._random.standard_normal())
        self._noise = self._noise * keep + own * self._random.standard_normal(len(self._noise))
        self._levels = self._compute_levels()

    def _volatility(self, rows: Rows, forward: Floats, years: Floats) -> Floats:
        at_the_money = self.contracts.drivers.volatility[self.contracts.driver[rows]]
        return smile(forward, self.contracts.strike[rows], years, at_the_money)

    def _mark(self, rows: Rows, forward: Floats) -> Floats:
        contracts = self.contracts
        marks = forward.copy()
        options = np.flatnonzero(contracts.is_option[rows])
        if len(options):
            chosen, forward = rows[options], forward[options]
            years = self.years_left(chosen)
            volatility = self._volatility(chosen, forward, years)
            marks[options] = black_76(forward, contracts.strike[chosen], years, volatility, contracts.is_call[chosen])
        return marks

    def _open_day(self, now: float) -> None:
        """Initialize yesterday's close, the open, and a plausible day up to now.

        The two steps of 2,400 s are chosen: an overnight gap, and the move since the open.
        """
        rows = np.arange(len(self.contracts))
        close = self._rounded(self.mark(rows), rows)
        self._step(2_400.0)
        opened = self._rounded(self.mark(rows), rows)
        self.bodies["day_close"] = close
        self.bodies["day_open"] = self.bodies["day_high"] = self.bodies["day_low"] = opened
        self._step(2_400.0)
        # Chosen: high and low exceed open and last by up to 0.4 %, as after a few hours of trading.
        reach = 1.0 + 0.004 * self._random.random(len(rows))
        current = self.mark(rows)
        self.bodies["day_high"] = self._rounded(np.maximum(opened, current) * reach, rows)
        self.bodies["day_low"] = self._rounded(np.minimum(opened, current) / reach, rows)
        self._open_interest(rows)
        self.trade(rows, now)

    def _open_interest(self, rows: Rows) -> None:
        contracts = self.contracts
        # Chosen: thousands of lots in the most active rows, one in the least active.
        lots = 1.0 + np.floor(self.activity() * (4_000.0 + 16_000.0 * self._random.random(len(rows))))
        # Chosen: a quarter of the field of packets. The remainder makes it a multiple of the lot.
        volume = np.where(contracts.is_index, 0.0, np.minimum(lots * contracts.lot * 3.0, QUANTITY_LIMIT // 4))
        volume -= volume % contracts.lot
        interest = np.where(contracts.is_derivative, np.minimum(lots * contracts.lot, QUANTITY_LIMIT // 8), 0.0)
        interest -= interest % contracts.lot
        self._set_volume(rows, volume)
        self._turnover = volume * (self.bodies["day_high"].astype(np.float64) + self.bodies["day_low"]) / 2.0
        self.bodies["oi"] = self.bodies["oi_day_high"] = self.bodies["oi_day_low"] = interest
        self.previous_oi[:] = interest
        self.previous_volume[:] = lots * 3.0

    def _set_volume(self, rows: Rows, volume: Floats) -> None:
        self.volume[rows] = volume
        self.bodies["volume"][rows] = self.volume[rows] % VOLUME_RANGE

    def _rounded(self, prices: Floats, rows: Rows) -> Floats:
        tick = self.contracts.tick[rows]
        return np.maximum(np.round(prices / tick), 1.0) * tick

    def _bid_ask(self, marks: Floats, forward: Floats, rows: Rows) -> tuple[Floats, Floats]:
        """Return best bid and ask around the marks; the spread grows with the price and away from the money."""
        contracts = self.contracts
        tick = contracts.tick[rows]
        with np.errstate(invalid="ignore"):
            away = np.abs(np.log(contracts.strike[rows] / forward))
        width = marks * 0.0004 * (1.0 + np.where(contracts.is_option[rows], 2.0 + 60.0 * np.nan_to_num(away), 0.0))
        # Bid and ask are at least one tick apart, on the tick grid, and the bid is never negative.
        steps = np.maximum(np.round(width / tick), 1.0)
        bid_steps = np.maximum(np.floor(marks / tick - (steps - 1.0) / 2.0), 0.0)
        return bid_steps * tick, (bid_steps + steps) * tick

    def _print_trade(self, bodies: Records, prices: Floats, rows: Rows) -> None:
        contracts = self.contracts
        prices = np.where(contracts.is_index[rows], self._rounded(self.spot(rows), rows), prices)
        # As float32, like the wire: compared in float64, high and low would not contain the last price.
        last = bodies["ltp"] = prices.astype(np.float32)
        bodies["day_high"] = np.maximum(bodies["day_high"], last)
        bodies["day_low"] = np.minimum(bodies["day_low"], last)
        lot = contracts.lot[rows]
        lots = self._random.geometric(0.35, len(rows)).astype(np.float64)
        most_lots = np.maximum(np.floor(LTQ_LIMIT / lot), 1.0)
        is_traded = ~contracts.is_index[rows]
        bodies["ltq"] = np.where(is_traded, np.minimum(np.minimum(lots, most_lots) * lot, LTQ_LIMIT), 0.0)
        added = np.where(is_traded, lots * lot, 0.0)
        # Exact: a float64 holds every volume below 2**53.
        volume = self.volume[rows].astype(np.float64) + added
        self._set_volume(rows, volume)
        bodies["volume"] = self.bodies["volume"][rows]
        self._turnover[rows] += added * last
        average = self._turnover[rows] / np.maximum(volume, 1.0)
        # Rounding of float32 may move the average outside the range of the day.
        average = np.clip(average, bodies["day_low"], bodies["day_high"])
        bodies["average_price"] = np.where(is_traded, average, 0.0)

    def _move_open_interest(self, bodies: Records, rows: Rows) -> None:
        contracts = self.contracts
        lot = contracts.lot[rows]
        # Chosen: one trade in five changes open interest, with a slight upward drift within the day.
        moves = self._random.integers(-2, 4, len(rows)) * (self._random.random(len(rows)) < 0.2) * lot
        before = bodies["oi"].astype(np.float64)
        moved = np.clip(before + moves, lot, QUANTITY_LIMIT - lot)
        interest = np.where(contracts.is_derivative[rows], moved - moved % lot, 0.0)
        bodies["oi"] = interest
        bodies["oi_day_high"] = np.maximum(bodies["oi_day_high"], bodies["oi"])
        bodies["oi_day_low"] = np.minimum(bodies["oi_day_low"], bodies["oi"])

    def _quote_depth(self, bodies: Records, bid: Floats, ask: Floats, rows: Rows) -> None:
        contracts = self.contracts
        count, tick = len(rows), contracts.tick[rows]
        step = tick * np.maximum(np.round((ask - bid) / tick / 2.0), 1.0)
        levels = np.arange(5.0)
        bids = bid[:, None] - levels * step[:, None]
        asks = ask[:, None] + levels * step[:, None]
        is_quoted = ~contracts.is_index[rows][:, None]
        # A view: assigning the five levels of all rows as records would copy them field by field.
        depth = bodies["depth"]
        for name, prices in (("bid", bids), ("ask", asks)):
            # Levels below one tick do not exist: cheap options have fewer than five bids.
            is_there = is_quoted & (prices > tick[:, None] / 2.0)
            orders = self._random.integers(1, 12, (count, 5))
            lots = orders * self._random.integers(1, 9, (count, 5))
            quantity = np.minimum(lots * contracts.lot[rows][:, None], QUANTITY_LIMIT // 4)
            depth[f"{name}_quantity"] = np.where(is_there, quantity, 0)
            depth[f"{name}_orders"] = np.where(is_there, orders, 0)
            depth[f"{name}_price"] = np.where(is_there, prices, 0.0)
        for name, side in (("total_buy_quantity", "bid_quantity"), ("total_sell_quantity", "ask_quantity")):
            near = depth[side].astype(np.float64).sum(axis=1)
            bodies[name] = np.minimum(near * self._random.integers(4, 30, count), QUANTITY_LIMIT)


def ltt_of(now: float) -> int:
    """Return the last-trade time in the broker's form for a Unix time: the IST wall clock as if it were UTC."""
    return int(now) + IST_OFFSET_SECONDS
