"""Volatilities, Greeks and figures of series for 25,000 options, as the analytics worker computes them at each flush.

100 series of 125 strikes. Between two flushes the spot moves and with it every price, so that each volatility is solved
again, from the one of the flush before. The processor time of a flush, the reading of the mirror included. The
alternative solves one option at a time with vollib, on a few hundred of them.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import statistics
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import benchmarks.database  # noqa: F401
from benchmarks.report import Figure, record

import numpy as np
from vollib.black.greeks import analytical
from vollib.black.implied_volatility import implied_volatility

from marketdata.domain.analytics import black76
from marketdata.domain.analytics.ladders import DIRECTIONS
from marketdata.domain.analytics.trading_time import TradingTime
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.domain.quote_rows import QUOTE_ROW, BusFrame, FrameKind, Known, Rows
from marketdata.domain.sessions import SessionBook
from marketdata.selectors import SeriesListing
from marketdata.streaming.mirror import QuoteMirror
from subscriptions.analytics.engine import AnalyticsEngine
from subscriptions.analytics.universe import Target, make_references, make_universe

SERIES, STRIKES = 100, 125  # 25,000 options, required
STEP, SPOT, RATE = 50, 25_000.0, 0.065
FLUSHES = 30  # chosen: the median of thirty is stable
MOVE = 0.5  # rupees of the spot in a flush; chosen: a usual one of NIFTY in a tenth of a second
BUDGET_MS = 8.0  # required
COMPARED = 300  # chosen: a second of work of the alternative
NOW = datetime(2026, 12, 1, 6, 30, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1_000)
FIRST_SPOT_ID = 10_000_000  # above those of the options


def make_targets() -> list[Target]:
    """Return the series; each has another spot, and expiries from a week to two years."""
    targets = []
    lowest = SPOT - STEP * (STRIKES // 2)
    for number in range(SERIES):
        key = SeriesKey(ExchangeSegment.NSE_FNO, f"U{number}", date(2026, 12, 8) + timedelta(weeks=number))
        strikes = [Decimal(int(lowest) + STEP * place) for place in range(STRIKES)]
        rows = [
            (1 + number * 1_000 + 2 * place + side, strike, kind, "", 65, Decimal("0.05"), FIRST_SPOT_ID + number, "")
            for place, strike in enumerate(strikes)
            for side, kind in enumerate(("CE", "PE"))
        ]
        targets.append(Target(SeriesListing(key, FIRST_SPOT_ID + number, tuple(strikes), 101, rows), None))
    return targets


def make_frame(targets: list[Target], sequence: int, spot: float) -> BusFrame:
    """Return a frame with prices of every option and spot at one moment."""
    times = TradingTime(SessionBook())
    parts: list[Rows] = []
    for target in targets:
        listing = target.listing
        strikes = np.array([float(one) for one in listing.strikes])
        years = times.years_to_expiry(listing.series.segment, listing.series.expiry, now=NOW)
        forward = spot * np.exp(RATE * years)
        smile = 0.13 + 0.4 * np.log(strikes / forward) ** 2
        prices = black76.price(
            sign=DIRECTIONS, forward=forward, strike=strikes[:, np.newaxis], years=years,
            volatility=smile[:, np.newaxis], rate=RATE,
        ).ravel()  # fmt: skip
        rows = np.zeros(len(prices) + 1, dtype=QUOTE_ROW)
        rows["instrument_id"][:-1] = [leg.instrument_id for leg in listing.legs]
        rows["instrument_id"][-1] = listing.spot_instrument_id
        rows["known"] = Known.TRADE | Known.DAY | Known.OI | Known.DEPTH | Known.PREVIOUS_CLOSE
        rows["received_at_ms"], rows["oi"], rows["volume"] = NOW_MS, 65_000, 6_500
        rows["ltp"] = np.append(np.maximum(np.round(prices / 0.05), 1) * 0.05, spot)
        rows["previous_close"] = rows["ltp"] * 1.01
        rows["depth"]["bid_price"][:, 0], rows["depth"]["ask_price"][:, 0] = rows["ltp"], rows["ltp"] + 0.05
        parts.append(rows)
    return BusFrame(FrameKind.CHANGES, 1, 1, sequence, NOW_MS, np.concatenate(parts))


def measure_flushes(targets: list[Target]) -> list[float]:
    """Return the processor time of each flush in ms; the first one, which has no former volatilities, is left out."""
    universe = make_universe(targets)
    assert universe is not None
    engine, mirror, calendar = (
        AnalyticsEngine(universe, make_references(universe, {}, {}), rate=RATE),
        QuoteMirror(),
        SessionBook(),
    )
    taken = []
    for number in range(FLUSHES + 1):
        mirror.absorb(make_frame(targets, number + 1, SPOT + MOVE * number))
        began = time.process_time()
        found = engine.compute(mirror, calendar, now_ms=NOW_MS + 100 * number)
        taken.append(1_000 * (time.process_time() - began))
    known = np.isfinite(found.options["iv"]).mean()
    print(f"options with a volatility: {100 * known:.1f} %; first flush {taken[0]:.1f} ms", flush=True)
    return taken[1:]


def measure_alternative() -> float:
    """Return the processor time in ms that vollib needs for volatility and four Greeks of 25,000 options."""
    began = time.process_time()
    for number in range(COMPARED):
        strike = SPOT + STEP * (number % 60)
        volatility = implied_volatility(200.0, SPOT, strike, RATE, 0.1, "c")
        for greek in (analytical.delta, analytical.gamma, analytical.theta, analytical.vega):
            greek("c", SPOT, strike, 0.1, RATE, volatility)
    return 1_000 * (time.process_time() - began) / COMPARED * 2 * SERIES * STRIKES


def main() -> None:
    """Measure a flush, and the alternative."""
    flushes = measure_flushes(make_targets())
    record(
        Figure(
            "analytics",
            f"a flush of {2 * SERIES * STRIKES:,} options",
            statistics.median(flushes),
            "ms CPU",
            budget=BUDGET_MS,
            alternative="vollib, one by one",
            alternative_value=measure_alternative(),
        )
    )
