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
from marketdata.domain.broker_chains import CHAIN_ROW, BrokerChain
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.domain.quote_rows import FrameKind
from marketdata.domain.quote_rows import Rows as BusRows
from marketdata.domain.sessions import SessionBook
from marketdata.selectors import SeriesListing
from marketdata.streaming.mirror import QuoteMirror
from subscriptions.analytics.engine import Analytics, AnalyticsEngine
from subscriptions.analytics.universe import References, Target, Universe, make_references, make_universe
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
CHAIN_AT = datetime(2026, 12, 1, 6, 28, tzinfo=UTC)


def option_id(strike: int, *, is_put: bool) -> int:
    return strike * 10 + is_put


def make_test_universe(*, future_id: int | None = FUTURE) -> Universe:
    rows = [
        (option_id(strike, is_put=is_put), Decimal(strike), "PE" if is_put else "CE", "", 65, Decimal("0.05"), SPOT, "")
        for strike in STRIKES
        for is_put in (False, True)
    ]
    listing = SeriesListing(KEY, SPOT, tuple(Decimal(one) for one in STRIKES), 101, rows)
    universe = make_universe([Target(listing, future_id)])
    assert universe is not None
    return universe


def make_test_references(universe: Universe, *options: Rows) -> References:
    """Return a record of BASE_OI for the options of 24,000, and a chain with these rows."""
    recorded = {option_id(24_000, is_put=is_put): BASE_OI for is_put in (False, True)}
    chains = {KEY: BrokerChain(CHAIN_AT, np.concatenate(options))} if options else {}
    return make_references(universe, recorded, chains)


def make_chain_option(strike: int, *, is_put: bool = False, **fields: float) -> Rows:
    unknown = dict.fromkeys(CHAIN_ROW.names or (), np.nan)
    values = unknown | {"instrument_id": option_id(strike, is_put=is_put)} | fields
    return np.array([tuple(values.values())], dtype=CHAIN_ROW)


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


def make_engine(universe: Universe | None = None, *chain: Rows) -> AnalyticsEngine:
    universe = universe or make_test_universe()
    return AnalyticsEngine(universe, make_test_references(universe, *chain), rate=RATE)


def compute(mirror: QuoteMirror, *chain: Rows, universe: Universe | None = None) -> Analytics:
    engine = make_engine(universe, *chain)
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


def test_without_our_record_the_change_counts_from_the_broker_s_chain() -> None:
    chain = [make_chain_option(24_000, previous_oi=1), make_chain_option(24_100, oi=5_000, previous_oi=700)]

    analytics = compute(mirror_of(*every_option(), *make_spot_and_future()), *chain)

    recorded, from_chain, unknown = (row_of(analytics, strike) for strike in (24_000, 24_100, 24_200))
    assert (recorded["oi_change"], recorded["oi_change_source"]) == (100, OiSource.RECORD)
    assert (from_chain["oi_change"], from_chain["oi_change_source"]) == (300, OiSource.BROKER)
    assert np.isnan(unknown["oi_change"])
    assert unknown["oi_change_source"] == OiSource.NONE


def test_a_series_counts_the_strikes_that_do_not_stream_by_the_broker_s_chain() -> None:
    streamed = [make_option(24_000, is_put=False, oi=1_000, volume=50), make_option(24_000, is_put=True, oi=3_000)]
    chain = [
        # It streams: the chain is older than the feed.
        make_chain_option(24_000, oi=9, previous_oi=9, volume=9),
        make_chain_option(23_500, oi=600, previous_oi=400, volume=70),
        make_chain_option(24_500, is_put=True, oi=8_000, previous_oi=9_000, volume=240),
    ]

    analytics = compute(mirror_of(*streamed, *make_spot_and_future()), *chain)

    (series,) = analytics.series
    assert (series["ce_oi"], series["pe_oi"], series["strikes_counted"]) == (1_600, 11_000, 3)
    assert (series["ce_oi_change"], series["pe_oi_change"]) == (100 + 200, 2_100 - 1_000)
    assert series["pcr_volume"] == round((50 + 240) / (50 + 70), 2)
    assert (series["resistance"], series["support"]) == (24_000, 24_500)
    assert series["chain_at_ms"] == CHAIN_AT.timestamp() * 1_000
    # Beside live prices, the change of an option that does not stream would read as live.
    assert np.isnan(row_of(analytics, 23_500)["oi_change"])


def test_new_references_count_from_the_next_flush_on() -> None:
    engine, mirror = make_engine(), mirror_of(*every_option(), *make_spot_and_future())
    before = engine.compute(mirror, SessionBook(), now_ms=NOW_MS)

    chain = BrokerChain(CHAIN_AT, make_chain_option(24_100, previous_oi=700))
    engine.references = make_references(engine.universe, {}, {KEY: chain})
    after = engine.compute(mirror, SessionBook(), now_ms=NOW_MS)

    assert np.isnan(row_of(before, 24_100)["oi_change"])
    assert row_of(after, 24_100)["oi_change"] == 300
    assert np.isnan(row_of(after, 24_000)["oi_change"])
    np.testing.assert_array_equal(before.options["iv"], after.options["iv"])


def test_an_option_of_a_chain_that_is_not_listed_is_left_out() -> None:
    stranger = make_chain_option(99_000, oi=5_000)

    analytics = compute(mirror_of(*every_option(), *make_spot_and_future()), stranger)

    assert analytics.series["ce_oi"].tolist() == [1_000 * len(STRIKES)]


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
    engine = make_engine()
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
    engine = make_engine()
    mirror = mirror_of(*every_option(), *make_spot_and_future())

    first = engine.compute(mirror, SessionBook(), now_ms=NOW_MS)
    second = engine.compute(mirror, SessionBook(), now_ms=NOW_MS)

    assert first.options.tobytes() == second.options.tobytes()
    assert first.series.tobytes() == second.series.tobytes()
