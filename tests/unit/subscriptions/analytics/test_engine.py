"""The engine: analytics of options and series from the quote mirror, for prices that a known volatility gives."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from marketdata.domain.analytics import black76
from marketdata.domain.analytics.derived_rows import OPTION_ROW, OiSource, Rows
from marketdata.domain.analytics.positions import BuildUp
from marketdata.domain.analytics.premiums import IvReason
from marketdata.domain.analytics.trading_time import TradingTime
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.domain.quote_rows import FrameKind
from marketdata.domain.quote_rows import Rows as BusRows
from marketdata.domain.sessions import SessionBook
from marketdata.selectors import SeriesListing
from marketdata.streaming.mirror import QuoteMirror
from subscriptions.analytics.engine import Analytics, AnalyticsEngine
from subscriptions.analytics.universe import Target, Universe, make_universe
from tests.unit.marketdata.streaming.bus_rows import FULLY_KNOWN, make_frame, make_row

RATE = 0.065
NOW = datetime(2026, 12, 1, 6, 30, tzinfo=UTC)  # Tuesday, 12:00 in India
NOW_MS = int(NOW.timestamp() * 1_000)
KEY = SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", date(2026, 12, 8))
STRIKES = range(23_500, 24_501, 100)
SPOT, FUTURE = 1, 2
SPOT_PRICE, FORWARD, VOLATILITY = 24_010.0, 24_030.0, 0.13
TRADED_AT = int(NOW.timestamp()) + 19_800  # the broker's trade times count in IST
BASE_OI = 900


def option_id(strike: int, *, is_put: bool) -> int:
    return strike * 10 + is_put


def make_test_universe(*, future_id: int | None = FUTURE) -> Universe:
    rows = [
        (option_id(strike, is_put=is_put), Decimal(strike), "PE" if is_put else "CE", "", 65, Decimal("0.05"), SPOT, "")
        for strike in STRIKES
        for is_put in (False, True)
    ]
    listing = SeriesListing(KEY, SPOT, tuple(Decimal(one) for one in STRIKES), 101, rows)
    universe = make_universe([Target(listing, future_id)], {row[0]: BASE_OI for row in rows})
    assert universe is not None
    return universe


YEARS = TradingTime(SessionBook()).years_to_expiry(KEY.segment, KEY.expiry, now=NOW)


def worth(strike: int, *, is_put: bool, forward: float = FORWARD) -> float:
    value = black76.price(
        sign=-1 if is_put else 1, forward=forward, strike=strike, years=YEARS, volatility=VOLATILITY, rate=RATE
    )
    return float(value)


def make_option(strike: int, *, is_put: bool, **fields: float) -> BusRows:
    mid = worth(strike, is_put=is_put)
    quote = {"bid": mid - 0.025, "ask": mid + 0.025, "oi": 1_000, "volume": 50, "previous_close": mid + 1}
    quote |= {"received_at_ms": NOW_MS - 200, "ltt": TRADED_AT} | fields
    return make_row(option_id(strike, is_put=is_put), ltp=quote.pop("ltp", mid), known=FULLY_KNOWN, **quote)


def make_spot_and_future() -> list[BusRows]:
    return [
        make_row(SPOT, ltp=SPOT_PRICE, received_at_ms=NOW_MS),
        make_row(FUTURE, ltp=FORWARD, bid=FORWARD - 1, ask=FORWARD + 1, received_at_ms=NOW_MS),
    ]


def mirror_of(*rows: BusRows) -> QuoteMirror:
    mirror = QuoteMirror()
    mirror.absorb(make_frame(*rows, sequence=1, kind=FrameKind.FULL))
    return mirror


def every_option() -> list[BusRows]:
    return [make_option(strike, is_put=is_put) for strike in STRIKES for is_put in (False, True)]


def compute(mirror: QuoteMirror, *, universe: Universe | None = None) -> Analytics:
    engine = AnalyticsEngine(universe or make_test_universe(), rate=RATE)
    return engine.compute(mirror, SessionBook(), now_ms=NOW_MS)


def row_of(analytics: Analytics, strike: int, *, is_put: bool = False) -> np.void:
    rows: Rows = analytics.options[analytics.options["instrument_id"] == option_id(strike, is_put=is_put)]
    assert len(rows) == 1
    found: np.void = rows[0]
    return found


def test_every_option_has_the_volatility_of_its_price_and_a_series_its_figures() -> None:
    analytics = compute(mirror_of(*every_option(), *make_spot_and_future()))

    assert analytics.options.dtype == OPTION_ROW
    assert len(analytics.options) == 2 * len(STRIKES)
    np.testing.assert_allclose(analytics.options["iv"], 100 * VOLATILITY, atol=0.02)
    assert (analytics.options["reason"] == IvReason.NONE).all()
    (series,) = analytics.series
    assert series["series_id"] == option_id(STRIKES[0], is_put=False)
    assert series["forward"] == FORWARD
    assert series["atm_strike"] == 24_000
    assert series["atm_iv"] == pytest.approx(100 * VOLATILITY, abs=0.02)
    straddle = worth(24_000, is_put=False) + worth(24_000, is_put=True)
    assert series["straddle"] == pytest.approx(straddle, abs=0.01)
    assert series["expected_move"] == pytest.approx(100 * straddle / SPOT_PRICE, abs=0.001)
    assert (series["strikes_counted"], series["strikes_listed"]) == (len(STRIKES), len(STRIKES))
    assert series["rate"] == pytest.approx(6.5)
    assert series["as_of_ms"] == NOW_MS - 200
    call = row_of(analytics, 24_000)
    assert call["intrinsic"] == pytest.approx(30.0)
    assert call["time_value"] == pytest.approx(worth(24_000, is_put=False) - 30, abs=0.01)
    assert row_of(analytics, 24_000, is_put=True)["intrinsic"] == 0


def test_without_a_future_the_forward_is_that_of_parity() -> None:
    (series,) = compute(
        mirror_of(*every_option(), *make_spot_and_future()), universe=make_test_universe(future_id=None)
    ).series

    assert series["forward"] == pytest.approx(FORWARD, abs=0.05)


def test_the_change_of_open_interest_counts_from_our_record() -> None:
    analytics = compute(mirror_of(make_option(24_000, is_put=False), *make_spot_and_future()))

    call, put = row_of(analytics, 24_000), row_of(analytics, 24_000, is_put=True)
    assert (call["oi_change"], call["oi_change_source"]) == (100, OiSource.RECORD)
    # A rupee below its close, and more open interest.
    assert call["build_up"] == BuildUp.SHORT_BUILD_UP
    assert np.isnan(put["oi_change"])
    assert (put["oi_change_source"], put["build_up"]) == (OiSource.NONE, BuildUp.NONE)


def test_an_option_that_no_connection_streams_has_no_premium() -> None:
    mirror = mirror_of(*every_option(), *make_spot_and_future())
    # The next full frame of the connection lacks the call of 24,200.
    rest = [one for one in every_option() if one["instrument_id"][0] != option_id(24_200, is_put=False)]
    mirror.absorb(make_frame(*rest, *make_spot_and_future(), sequence=2, kind=FrameKind.FULL))

    analytics = compute(mirror)

    # Its volatility is still known, by parity, from the put of the strike.
    assert np.isnan(row_of(analytics, 24_200)["time_value"])
    assert row_of(analytics, 24_200)["iv"] == pytest.approx(100 * VOLATILITY, abs=0.05)


def test_before_anything_streams_each_option_states_that_it_has_no_price() -> None:
    analytics = compute(QuoteMirror())

    assert np.isnan(analytics.options["iv"]).all()
    assert set(analytics.options["reason"].tolist()) == {IvReason.NO_PRICE}
    assert analytics.series["as_of_ms"].tolist() == [0]


def test_a_trade_counts_where_it_is_newer_than_a_wide_quote() -> None:
    universe = make_test_universe()
    engine = AnalyticsEngine(universe, rate=RATE)
    mirror = QuoteMirror()

    def flush(sequence: int, after_seconds: int, **fields: float) -> np.void:
        at = {"received_at_ms": NOW_MS + 1_000 * after_seconds}
        wide = make_option(24_200, is_put=False, bid=10.0, ask=200.0, **at, **fields)
        mirror.absorb(make_frame(wide, *make_spot_and_future(), sequence=sequence))
        analytics = engine.compute(mirror, SessionBook(), now_ms=NOW_MS + 1_000 * after_seconds)
        return row_of(analytics, 24_200)

    # The quote comes ten seconds after the trade.
    assert flush(1, 10)["reason"] == IvReason.WIDE_SPREAD
    # A trade after the quote, which stays as it is.
    assert flush(2, 12, ltt=TRADED_AT + 12)["iv"] == pytest.approx(100 * VOLATILITY, abs=0.1)


def test_the_next_flush_finds_the_same_figures_from_the_former_ones() -> None:
    engine = AnalyticsEngine(make_test_universe(), rate=RATE)
    mirror = mirror_of(*every_option(), *make_spot_and_future())

    first = engine.compute(mirror, SessionBook(), now_ms=NOW_MS)
    second = engine.compute(mirror, SessionBook(), now_ms=NOW_MS)

    assert first.options.tobytes() == second.options.tobytes()
    assert first.series.tobytes() == second.series.tobytes()
