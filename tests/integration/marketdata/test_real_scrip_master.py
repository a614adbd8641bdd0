"""Real instrument files of the broker, read row by row: 273,027 rows take too long for a unit test."""

import gzip
from collections import Counter
from datetime import date
from pathlib import Path

from marketdata.dhan.scrip_master import SkipReason, read_rows


def test_every_row_of_the_real_compact_file_is_accepted_or_counted_as_skipped(reference_data: Path) -> None:
    with gzip.open(reference_data / "api-scrip-master-2026-02-10.csv.gz", "rt", encoding="utf-8") as lines:
        reading = read_rows(lines, as_of=date(2026, 2, 10))
        kept = Counter((row.segment.name, row.instrument_type.value) for row in reading)

    assert reading.rows_read == 273_027
    # Section 4.6 of the reference: NSE,M has 44,642 rows; 12,733 BSE and 9,619 NSE currency contracts are stale;
    # 18 futures and 23 shares are test instruments of the exchanges.
    assert reading.skipped == {SkipReason.NO_FEED_SEGMENT: 44_642, SkipReason.EXPIRED: 22_352, SkipReason.TEST: 41}
    assert kept == {
        ("NSE_FNO", "OPTSTK"): 89_550,
        ("NSE_FNO", "OPTIDX"): 11_226,
        ("NSE_FNO", "FUTSTK"): 636 - 18,
        ("NSE_FNO", "FUTIDX"): 15,
        ("BSE_FNO", "OPTSTK"): 35_980,
        ("BSE_FNO", "OPTIDX"): 5_796,
        ("BSE_FNO", "FUTSTK"): 612,
        ("BSE_FNO", "FUTIDX"): 9,
        ("MCX_COMM", "OPTFUT"): 36_422,
        ("MCX_COMM", "OPTIDX"): 1_368,
        ("MCX_COMM", "FUTCOM"): 140,
        ("MCX_COMM", "FUTIDX"): 6,
        ("NSE_EQ", "EQUITY"): 8_999,
        ("BSE_EQ", "EQUITY"): 13_248,
        ("IDX_I", "INDEX"): 119 + 75,
        ("NSE_CURRENCY", "OPTCUR"): 1_774,
        ("NSE_CURRENCY", "FUTCUR"): 35,
    }


def test_every_row_of_the_real_detailed_file_is_accepted_or_counted_as_skipped(reference_data: Path) -> None:
    path = reference_data / "api-scrip-master-detailed-nse-eq-idx-2026-04-15.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        reading = read_rows(lines, as_of=date(2026, 4, 15))
        kept = Counter(row.segment.name for row in reading)

    assert reading.rows_read == 9_469
    assert reading.skipped == {SkipReason.TEST: 22}
    assert kept == {"NSE_EQ": 9_328, "IDX_I": 119}
