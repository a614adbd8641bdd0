"""A real detailed instrument file of the broker, read row by row; the compact one is in test_real_listing.py."""

import gzip
from collections import Counter
from datetime import date
from pathlib import Path

from marketdata.dhan.scrip_master import SkipReason, read_rows


def test_every_row_of_the_real_detailed_file_is_accepted_or_counted_as_skipped(reference_data: Path) -> None:
    path = reference_data / "api-scrip-master-detailed-nse-eq-idx-2026-04-15.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        reading = read_rows(lines, as_of=date(2026, 4, 15))
        kept = Counter(row.segment.name for row in reading)

    assert reading.rows_read == 9_469
    assert reading.skipped == {SkipReason.TEST: 22}
    assert kept == {"NSE_EQ": 9_328, "IDX_I": 119}
