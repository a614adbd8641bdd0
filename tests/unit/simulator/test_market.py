"""The seeded market: reproducible, and without ticks that an exchange cannot send."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from simulator.contracts import middle_of_core
from simulator.demo_listing import Size
from simulator.market import Market, ltt_of
from simulator.packet_arrays import Records, Rows
from tests.unit.simulator.listings import NOW, listing_of, make_market, small_contracts

NIFTY = InstrumentKey(ExchangeSegment.IDX_I, 13)
RELIANCE = InstrumentKey(ExchangeSegment.NSE_EQ, 2885)
RELIANCE_ON_BSE = InstrumentKey(ExchangeSegment.BSE_EQ, 500325)
STEPS = 6


def all_rows(market: Market) -> Rows:
    return np.arange(len(market.contracts))


def run(market: Market, *, steps: int = STEPS, step_seconds: float = 0.5) -> list[Records]:
    """Trade all rows at every step; return the states."""
    states = [market.bodies.copy()]
    for step in range(1, steps + 1):
        now = NOW + step * step_seconds
        market.advance(now)
        market.trade(all_rows(market), now)
        states.append(market.bodies.copy())
    return states


@cache
def states_of_run() -> Sequence[Records]:
    """Return the states of one run, made once for all tests that only read them."""
    return run(make_market(seed=7))


def test_the_same_seed_and_clock_give_the_same_ticks() -> None:
    first, second = states_of_run(), run(make_market(seed=7))

    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_another_seed_gives_other_ticks() -> None:
    assert not np.array_equal(states_of_run()[-1]["ltp"], run(make_market(seed=8))[-1]["ltp"])


def test_a_stopped_clock_changes_no_price() -> None:
    market = make_market()
    before = market.mark(all_rows(market))

    market.advance(NOW)
    market.advance(NOW - 60)

    assert np.array_equal(market.mark(all_rows(market)), before)


def test_prices_of_a_day_agree_with_each_other() -> None:
    for state in states_of_run():
        assert np.all(state["day_low"] <= state["ltp"])
        assert np.all(state["ltp"] <= state["day_high"])
        assert np.all(state["day_low"] <= state["day_open"])
        assert np.all(state["day_open"] <= state["day_high"])
        assert np.all(state["ltp"] > 0)
        traded = state["volume"] > 0
        assert np.all(state["average_price"][traded] >= state["day_low"][traded])
        assert np.all(state["average_price"][traded] <= state["day_high"][traded])


def test_prices_are_multiples_of_the_tick() -> None:
    market = make_market()
    tick = small_contracts().tick

    for name in ("ltp", "day_open", "day_close", "day_high", "day_low"):
        sent = market.bodies[name]
        nearest = np.round(sent.astype(np.float64) / tick) * tick
        assert np.array_equal(nearest.astype(np.float32), sent)


def test_a_packet_has_the_lower_32_bits_of_the_volume() -> None:
    market = make_market()
    traded = ~small_contracts().is_index
    market.raise_volumes(lots_left=2)
    before = market.volume.copy()

    states = run(market)

    assert np.all(market.volume[traded] > before[traded])
    assert np.all(market.volume[traded] > 2**32)
    assert np.array_equal(states[-1]["volume"], market.volume % 2**32)
    assert not np.any(market.volume % small_contracts().lot)
    assert np.all(states[-1]["average_price"] <= states[-1]["day_high"])
    assert not market.volume[~traded].any()


def test_volume_only_grows_and_extremes_only_widen() -> None:
    for before, after in pairwise(states_of_run()):
        assert np.all(after["volume"] >= before["volume"])
        assert np.all(after["day_high"] >= before["day_high"])
        assert np.all(after["day_low"] <= before["day_low"])
        assert np.all(after["oi_day_low"] <= after["oi"])
        assert np.all(after["oi"] <= after["oi_day_high"])
        assert np.array_equal(after["day_close"], before["day_close"])


def test_quantities_are_whole_lots() -> None:
    lot = small_contracts().lot

    for state in states_of_run():
        for name in ("ltq", "volume", "oi"):
            assert not np.any(state[name] % lot)


def test_open_interest_moves_slowly() -> None:
    states = states_of_run()
    derivatives = small_contracts().is_derivative

    before, after = (state["oi"][derivatives].astype(np.float64) for state in (states[0], states[-1]))

    lots = np.abs(after - before) / small_contracts().lot[derivatives]
    assert 0 < lots.mean() < STEPS / 4


def test_bid_is_below_ask_and_the_last_trade_between() -> None:
    market = make_market()
    rows = np.flatnonzero(~small_contracts().is_index)
    best = market.bodies["depth"][rows, 0]

    assert np.all(best["bid_price"] < best["ask_price"])
    assert np.all(best["bid_price"] <= market.bodies["ltp"][rows])
    assert np.all(market.bodies["ltp"][rows] <= best["ask_price"])


def test_depth_steps_away_from_the_money_and_ends_at_zero() -> None:
    depth = make_market().bodies["depth"][np.flatnonzero(~small_contracts().is_index)]

    bids, asks = depth["bid_price"], depth["ask_price"]

    assert np.all((bids[:, 1:] < bids[:, :-1]) | (bids[:, 1:] == 0))
    assert np.all(asks[:, 1:] > asks[:, :-1])
    assert not np.any(depth["bid_quantity"][bids == 0])
    assert np.all(depth["bid_quantity"][bids > 0] > 0)


def test_an_index_has_only_a_price() -> None:
    body = make_market().bodies[small_contracts().is_index]

    assert np.all(body["ltp"] > 0)
    for name in ("ltq", "volume", "oi", "average_price", "total_buy_quantity"):
        assert not body[name].any()
    assert not body["depth"]["ask_quantity"].any()


def test_last_trade_time_is_the_indian_wall_clock_written_as_if_utc() -> None:
    """A NIFTY tick received at 09:49:57 IST on 10 Jun 2026 (04:19:57 UTC) carried 1781084997."""
    assert ltt_of(1_781_065_197.817) == 1_781_084_997


def test_a_trade_is_stamped_with_its_time() -> None:
    market = make_market()
    row = market.row_of[NIFTY]

    market.trade(np.array([row]), NOW + 61)

    assert market.bodies["ltt"][row] == NOW + 61 + 19_800
    assert market.bodies["ltt"][row + 1] == NOW + 19_800


def test_rows_that_do_not_trade_keep_their_state() -> None:
    market = make_market()
    before = market.bodies.copy()

    market.advance(NOW + 5)
    market.trade(np.array([3]), NOW + 5)

    changed = np.flatnonzero(market.bodies != before)
    assert list(changed) == [3]


def test_only_old_trades_are_caught_up() -> None:
    market = make_market()
    market.advance(NOW + 1)
    market.refresh_stale(all_rows(market), NOW + 1)
    assert np.all(market.bodies["ltt"] == NOW + 19_800)

    market.advance(NOW + 10)
    market.refresh_stale(np.array([0, 1]), NOW + 10)

    assert list(market.bodies["ltt"][:3]) == [NOW + 19_810, NOW + 19_810, NOW + 19_800]


def test_a_stock_trades_at_one_price_on_both_exchanges() -> None:
    market = make_market()
    run(market)

    nse, bse = (float(market.bodies["ltp"][market.row_of[key]]) for key in (RELIANCE, RELIANCE_ON_BSE))

    assert nse == pytest.approx(bse, rel=0.002)


def test_call_less_put_is_forward_less_strike_within_the_spread() -> None:
    market = make_market()
    run(market, steps=3)
    contracts = market.contracts
    legs: dict[tuple[object, ...], dict[bool, int]] = {}
    for row, listed in enumerate(listing_of(size=Size.SMALL)):
        if listed.underlying == "NIFTY" and listed.type.is_option:
            legs.setdefault((listed.expiry, listed.strike), {})[bool(contracts.is_call[row])] = row

    for pair in legs.values():
        rows = np.array([pair[True], pair[False]])
        call, put = (float(price) for price in market.bodies["ltp"][rows])
        discount = np.exp(-0.065 * market.years_left(rows)[0])
        parity = discount * (market.forward(rows)[0] - contracts.strike[rows[0]])
        depth = market.bodies["depth"][rows, 0]
        spread = float((depth["ask_price"] - depth["bid_price"]).sum())
        assert call - put == pytest.approx(parity, abs=spread + 0.11)


def test_indices_move_together() -> None:
    market = make_market()
    rows = np.array([market.row_of[InstrumentKey(ExchangeSegment.IDX_I, number)] for number in (13, 25, 51)])

    levels = []
    for step in range(400):
        market.advance(NOW + step * 5.0)
        levels.append(market.spot(rows))

    moves = np.diff(np.log(np.array(levels)), axis=0)
    assert np.corrcoef(moves.T).min() > 0.3


def test_a_market_stays_near_its_opening_prices_over_a_week() -> None:
    market = make_market()
    row = np.array([market.row_of[NIFTY]])
    levels = []

    for step in range(20_000):
        market.advance(NOW + step * 5.0)
        levels.append(float(market.spot(row)[0]))

    assert 25_920 * 0.97 < min(levels) < max(levels) < 25_920 * 1.03
    assert max(levels) - min(levels) > 100


@pytest.mark.parametrize(
    ("strikes", "middle"),
    [
        ([100.0, 150.0, 200.0, 250.0], 175.0),
        ([50.0, 100.0, 110.0, 120.0, 130.0, 140.0, 200.0, 300.0], 120.0),
        ([7.0], 7.0),
    ],
)
def test_the_money_is_in_the_middle_of_the_densest_strikes(strikes: list[float], middle: float) -> None:
    assert middle_of_core(strikes) == middle
