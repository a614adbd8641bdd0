"""The scanner: rows of rankings from the quotes of a universe, their exclusions, and the bases of changes."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pytest

from marketdata.domain.analytics.rankings import Ranking, Scan
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.domain.quote_rows import Rows as BusRows
from marketdata.domain.sessions import SessionBook
from marketdata.selectors import SeriesListing
from marketdata.streaming.mirror import QuoteMirror
from subscriptions.analytics.engine import NO_ANALYTICS, Analytics, AnalyticsEngine
from subscriptions.analytics.scanner import Scanner
from subscriptions.analytics.universe import Target, Universe, make_references, make_universe
from tests.unit.subscriptions.analytics.test_engine import (
    BASE_OI,
    KEY,
    NOW_MS,
    RATE,
    SPOT,
    STRIKES,
    every_option,
    make_option,
    make_spot_and_future,
    make_test_universe,
    mirror_of,
    option_id,
)

LOT = 65
CALL_OF_24_200 = option_id(24_200, is_put=False)
OTHER_KEY = SeriesKey(ExchangeSegment.BSE_FNO, "SENSEX", date(2026, 12, 10))


class Worker:
    """What the worker does each second, on a clock of the test."""

    def __init__(self, universe: Universe | None = None) -> None:
        self.scanner = Scanner()
        self.universe = universe or make_test_universe()
        self.mirror = QuoteMirror()
        self.analytics = NO_ANALYTICS
        self.closed: set[int] = set()

    def flush(self, *rows: BusRows, now: float) -> None:
        """Compute with these quotes, and take the samples that are due."""
        self.mirror = mirror_of(*rows, *make_spot_and_future())
        self.analytics = compute(self.universe, self.mirror)
        self.scanner.sample(self.universe, self.analytics, closed=self.closed, now=now)

    def scan(self, ranking: Ranking, underlying: str | None = None, *, now: float = 0.0) -> dict[str, Any]:
        """Return the message of one scan."""
        scan = Scan(ranking, underlying)
        found = self.scanner.scan(self.universe, self.analytics, self.mirror, [scan], now=now, now_ms=NOW_MS)
        message: dict[str, Any] = orjson.loads(found[scan])
        return message

    def rows(self, ranking: Ranking, underlying: str | None = None, *, now: float = 0.0) -> list[dict[str, Any]]:
        """Return the rows of one scan."""
        rows: list[dict[str, Any]] = self.scan(ranking, underlying, now=now)["rows"]
        return rows


def compute(universe: Universe, mirror: QuoteMirror) -> Analytics:
    recorded = dict.fromkeys(universe.instrument_ids.ravel().tolist(), BASE_OI)
    engine = AnalyticsEngine(universe, make_references(universe, recorded, {}), rate=RATE)
    return engine.compute(mirror, SessionBook(), now_ms=NOW_MS)


def options_with(**by_id: Mapping[str, float]) -> list[BusRows]:
    """Return every option, those named like `call_24200` with other fields."""
    return [
        make_option(strike, is_put=is_put, **by_id.get(f"{'put' if is_put else 'call'}_{strike}", {}))
        for strike in STRIKES
        for is_put in (False, True)
    ]


def two_series() -> Universe:
    """Return the series of the other tests, and one of SENSEX with an option of each side."""
    listing = SeriesListing(
        OTHER_KEY,
        SPOT,
        (Decimal(80_000),),
        101,
        [(7, Decimal(80_000), "CE", "", 20, Decimal("0.05"), SPOT, "")],
    )
    rows = [
        (
            option_id(strike, is_put=is_put),
            Decimal(strike),
            "PE" if is_put else "CE",
            "",
            LOT,
            Decimal("0.05"),
            SPOT,
            "",
        )
        for strike in STRIKES
        for is_put in (False, True)
    ]
    nifty = SeriesListing(KEY, SPOT, tuple(Decimal(one) for one in STRIKES), 101, rows)
    universe = make_universe([Target(nifty, None), Target(listing, None)])
    assert universe is not None
    return universe


def test_unusual_volume_names_the_options_and_counts_in_lots() -> None:
    worker = Worker()
    busy = {"volume": 1_500 * LOT, "oi": 1_000 * LOT, "ltp": 138.9}
    busier = {"volume": 900 * LOT, "oi": 300 * LOT}
    # Few lots, whose ratio would be the highest.
    small = {"volume": 600 * LOT, "oi": 99 * LOT}
    worker.flush(*options_with(call_24200=busy, put_23800=busier, put_23700=small), now=0.0)

    first, second = worker.rows(Ranking.UNUSUAL_VOLUME)

    assert (first["strike"], first["option_type"], first["ratio"]) == (23_800, "PE", 3.0)
    assert second == {
        "symbol": "NIFTY",
        "exchange": "NSE",
        "expiry": "2026-12-08",
        "instrument_id": CALL_OF_24_200,
        "strike": 24_200,
        "option_type": "CE",
        "lot_size": LOT,
        "ltp": 138.9,
        "volume": 1_500,
        "oi": 1_000,
        "ratio": 1.5,
    }


def test_open_interest_ranks_by_lots_since_the_previous_close() -> None:
    worker = Worker()
    # Of 900 units at the previous close.
    worker.flush(*options_with(call_24200={"oi": 900 + 400 * LOT}, put_23900={"oi": 900 + 500 * LOT}), now=0.0)

    rows = worker.rows(Ranking.OI_RISE)

    assert [(row["strike"], row["option_type"], row["change"]) for row in rows] == [
        (23_900, "PE", 500),
        (24_200, "CE", 400),
    ]
    assert rows[0]["oi"] == pytest.approx(900 / LOT + 500, abs=0.01)
    assert rows[0]["percent"] == pytest.approx(100 * 500 * LOT / 900, abs=0.01)
    assert rows[0]["build_up"] == "short_build_up"
    assert worker.rows(Ranking.OI_FALL) == []


def test_a_jump_of_volatility_counts_from_the_base_and_states_its_age() -> None:
    worker = Worker()
    worker.flush(*every_option(), now=0.0)
    assert worker.scan(Ranking.IV_RISE, now=0.0)["base_seconds"] is None
    dearer = {"bid": 200.0, "ask": 200.1, "ltp": 200.05}
    worker.flush(*options_with(call_24300=dearer), now=59.0)
    assert worker.rows(Ranking.IV_RISE, now=59.0) == []

    message = worker.scan(Ranking.IV_RISE, now=95.0)

    # One row for the strike: both options of it have this volatility.
    (row,) = message["rows"]
    assert message["base_seconds"] == row["base_seconds"] == 95
    assert (row["strike"], row["option_type"]) == (24_300, "CE")
    assert row["base_iv"] == pytest.approx(13.0, abs=0.02)
    assert row["change"] == pytest.approx(row["iv"] - row["base_iv"], abs=0.001)
    assert row["change"] > 1
    assert worker.rows(Ranking.IV_FALL, now=95.0) == []


def test_an_option_of_a_few_ticks_has_no_volatility_that_ranks() -> None:
    worker = Worker()
    cheap = {"bid": 0.25, "ask": 0.35, "ltp": 0.3}
    worker.flush(*options_with(put_23500=cheap, call_23500={"ltp": 530.3, "bid": 530.0, "ask": 530.6}), now=0.0)
    worker.flush(*every_option(), now=60.0)

    rows = worker.rows(Ranking.IV_RISE, now=120.0)

    assert 23_500 not in [row["strike"] for row in rows]


def test_a_straddle_ranks_by_percent_against_its_base() -> None:
    worker = Worker()
    worker.flush(*every_option(), now=0.0)
    (before,) = worker.analytics.series["straddle"]
    call = {"bid": 400.0, "ask": 400.1, "ltp": 400.05}
    put = {"bid": 370.0, "ask": 370.1, "ltp": 370.05}
    worker.flush(*options_with(call_24000=call, put_24000=put), now=120.0)

    (row,) = worker.rows(Ranking.STRADDLE_RISE, now=120.0)

    assert (row["symbol"], row["expiry"], row["strike"]) == ("NIFTY", "2026-12-08", 24_000)
    assert (row["straddle"], row["base_straddle"]) == (770.1, pytest.approx(before))
    assert row["percent"] == pytest.approx(100 * (770.1 / before - 1), abs=0.01)
    assert row["base_seconds"] == 120
    assert worker.rows(Ranking.STRADDLE_FALL, now=120.0) == []


def test_what_stands_still_is_no_change() -> None:
    worker = Worker()
    worker.flush(*every_option(), now=0.0)
    worker.flush(*every_option(), now=60.0)

    for ranking in (Ranking.IV_RISE, Ranking.IV_FALL, Ranking.STRADDLE_RISE, Ranking.STRADDLE_FALL):
        assert worker.scan(ranking, now=120.0)["base_seconds"] == 120
        assert worker.rows(ranking, now=120.0) == []


def test_a_closed_segment_gives_no_base() -> None:
    worker = Worker()
    worker.closed = {int(ExchangeSegment.NSE_FNO)}
    worker.flush(*every_option(), now=0.0)

    assert worker.scan(Ranking.STRADDLE_RISE, now=90.0)["base_seconds"] is None


def test_a_new_universe_keeps_the_bases() -> None:
    worker = Worker(two_series())
    worker.flush(*every_option(), now=0.0)
    worker.universe = make_test_universe()
    worker.flush(*every_option(), now=30.0)

    assert worker.scan(Ranking.IV_RISE, now=90.0)["base_seconds"] == 90


def test_build_up_by_underlying_states_shares_and_counts() -> None:
    worker = Worker()
    rows = [
        make_option(strike, is_put=is_put, oi=200 * LOT, **({"previous_close": 1.0} if is_put else {}))
        for strike in STRIKES
        for is_put in (False, True)
    ]
    worker.flush(*rows, now=0.0)

    (row,) = worker.rows(Ranking.LONG_BUILD_UP)

    # Open interest of all is up; puts are dearer than their close, calls a rupee cheaper.
    assert row == {
        "symbol": "NIFTY",
        "exchange": "NSE",
        "options": 22,
        "shares": {"long_build_up": 50.0, "short_build_up": 50.0, "long_unwinding": 0.0, "short_covering": 0.0},
        "counts": {"long_build_up": 11, "short_build_up": 11, "long_unwinding": 0, "short_covering": 0},
    }
    assert worker.rows(Ranking.SHORT_COVERING) == []


def test_a_filter_leaves_one_underlying() -> None:
    worker = Worker(two_series())
    busy = {"volume": 1_500 * LOT, "oi": 1_000 * LOT}
    worker.flush(*options_with(call_24200=busy), now=0.0)

    message = worker.scan(Ranking.UNUSUAL_VOLUME, "NSE:NIFTY")
    assert message["underlyings"] == ["BSE:SENSEX", "NSE:NIFTY"]
    assert [row["symbol"] for row in message["rows"]] == ["NIFTY"]
    assert worker.rows(Ranking.UNUSUAL_VOLUME, "BSE:SENSEX") == []
    assert worker.rows(Ranking.UNUSUAL_VOLUME, "NSE:NOSUCH") == []


def test_before_anything_streams_a_scan_has_no_rows() -> None:
    scan = Scan(Ranking.OI_RISE, "NSE:NIFTY")

    found = Scanner().scan(None, NO_ANALYTICS, QuoteMirror(), [scan], now=0.0, now_ms=NOW_MS)

    assert orjson.loads(found[scan]) == {
        "type": "scan",
        "ranking": "oi_rise",
        "underlying": "NSE:NIFTY",
        "state": "live",
        "computed_at_ms": NOW_MS,
        "base_seconds": None,
        "underlyings": [],
        "rows": [],
    }


def test_an_option_that_no_connection_streams_is_not_ranked() -> None:
    worker = Worker()
    worker.analytics = compute(worker.universe, worker.mirror)

    assert worker.rows(Ranking.UNUSUAL_VOLUME) == []
    assert np.isnan(worker.analytics.options["iv"]).all()
    assert worker.rows(Ranking.IV_RISE, now=600.0) == []
