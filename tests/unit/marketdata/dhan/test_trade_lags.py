"""Trade lags: the trades that are counted, and their lags."""

import numpy as np

from marketdata.dhan.packets import IST_OFFSET_SECONDS
from marketdata.dhan.trade_lags import LIQUID_SECONDS, MOST_INSTRUMENTS, RecentLags, TradeLags
from marketdata.domain.quote_rows import QUOTE_ROW, Known, Rows

NOON = 1_770_000_000  # true UTC epoch seconds


def make_rows(*trades: tuple[int, int], received_at: float, known: Known = Known.TRADE) -> Rows:
    """Return a row for each (instrument id, true time of its last trade)."""
    rows = np.zeros(len(trades), dtype=QUOTE_ROW)
    for row, (instrument_id, traded_at) in zip(rows, trades, strict=True):
        row["instrument_id"], row["ltt"] = instrument_id, traded_at + IST_OFFSET_SECONDS
        row["known"], row["received_at_ms"] = known, round(received_at * 1_000)
    return rows


def test_a_trade_soon_after_another_is_counted_with_its_lag() -> None:
    lags = TradeLags()
    lags.take(make_rows((1, NOON), (2, NOON), received_at=NOON + 0.5))

    found = lags.take(make_rows((1, NOON + 2), (2, NOON + 1), received_at=NOON + 4.5))

    assert found.tolist() == [2.5, 3.5]


def test_the_first_trade_of_an_instrument_is_not_counted() -> None:
    assert TradeLags().take(make_rows((1, NOON - 3_600), received_at=NOON)).tolist() == []


def test_a_repeated_trade_is_not_counted() -> None:
    lags = TradeLags()
    lags.take(make_rows((1, NOON), received_at=NOON))

    assert lags.take(make_rows((1, NOON), received_at=NOON + 40)).tolist() == []


def test_trades_of_an_illiquid_instrument_are_not_counted() -> None:
    lags = TradeLags()
    lags.take(make_rows((1, NOON), received_at=NOON))

    later = NOON + LIQUID_SECONDS + 1
    assert lags.take(make_rows((1, later), received_at=later + 9)).tolist() == []


def test_prices_from_other_sources_are_not_counted() -> None:
    lags = TradeLags()
    lags.take(make_rows((1, NOON), received_at=NOON))

    for mark in (Known.SNAPSHOT, Known.EARLIER):
        rows = make_rows((1, NOON + 1), received_at=NOON + 60, known=Known.TRADE | mark)
        assert lags.take(rows).tolist() == []


def test_new_instruments_do_not_affect_earlier_ones() -> None:
    lags = TradeLags()
    lags.take(make_rows((5, NOON), received_at=NOON))
    lags.take(make_rows((3, NOON), (9, NOON), received_at=NOON))

    found = lags.take(make_rows((9, NOON + 1), (5, NOON + 1), (3, NOON + 1), received_at=NOON + 2))

    assert found.tolist() == [1.0, 1.0, 1.0]


def test_the_memory_for_last_trades_is_bounded() -> None:
    lags = TradeLags()
    half = MOST_INSTRUMENTS // 2
    for begin in range(0, 5 * half, half):
        lags.take(make_rows(*((one, NOON) for one in range(begin, begin + half)), received_at=NOON))

    last = make_rows((5 * half - 1, NOON + 1), received_at=NOON + 2)
    assert lags.take(last).tolist() == [1.0]
    assert lags.take(make_rows((0, NOON + 1), received_at=NOON + 2)).tolist() == []


def test_the_median_is_of_the_last_seconds_and_without_the_rounding_of_the_trade_time() -> None:
    lags = RecentLags()
    lags.add(np.array([100.0] * 9), now=0.0)
    lags.add(np.array([8.0, 8.5, 9.0]), now=10.0)
    lags.add(np.array([8.5, 60.0]), now=11.0)

    assert lags.median(now=12.0) == 8.0


def test_a_few_trades_have_no_median() -> None:
    lags = RecentLags()
    lags.add(np.array([8.0] * 4), now=0.0)

    assert lags.median(now=1.0) is None
