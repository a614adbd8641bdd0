"""The copy of analytics in a web process: epochs, gaps, and what a full frame replaces."""

import numpy as np

from marketdata.domain.analytics.derived_rows import OPTION_ROW, SERIES_ROW, DerivedFrame, Rows
from marketdata.domain.quote_rows import FrameKind
from marketdata.streaming.derived_mirror import DerivedMirror, unknown_options
from marketdata.streaming.mirror import Absorbed

NO_SERIES = np.zeros(0, dtype=SERIES_ROW)


def make_options(**iv_by_id: float) -> Rows:
    rows = unknown_options([int(name[1:]) for name in iv_by_id])
    rows["iv"] = list(iv_by_id.values())
    return rows


def frame(options: Rows, *, sequence: int, epoch: int = 7, kind: FrameKind = FrameKind.CHANGES) -> DerivedFrame:
    return DerivedFrame(kind, epoch, sequence, 1_000, options, NO_SERIES)


def known(mirror: DerivedMirror, *ids: int) -> dict[int, float]:
    rows, _ = mirror.changed_since(ids, [], 0)
    return {int(row["instrument_id"]): float(row["iv"]) for row in rows if not np.isnan(row["iv"])}


def test_changes_are_applied_and_a_gap_is_reported_until_a_full_frame() -> None:
    mirror = DerivedMirror()

    assert mirror.absorb(frame(make_options(_1=10.0, _2=20.0), sequence=1, kind=FrameKind.FULL)) is Absorbed.APPLIED
    assert mirror.absorb(frame(make_options(_2=21.0), sequence=2)) is Absorbed.APPLIED
    assert mirror.absorb(frame(make_options(_1=11.0), sequence=4)) is Absorbed.GAP
    assert known(mirror, 1, 2) == {1: 11.0, 2: 21.0}
    assert mirror.absorb(frame(make_options(_1=11.0), sequence=5, kind=FrameKind.FULL)) is Absorbed.APPLIED
    # What a full frame lacks is not computed any more.
    assert known(mirror, 1, 2) == {1: 11.0}


def test_a_former_leader_and_a_repeated_frame_change_nothing() -> None:
    mirror = DerivedMirror()
    mirror.absorb(frame(make_options(_1=10.0), sequence=3, epoch=8, kind=FrameKind.FULL))

    assert mirror.absorb(frame(make_options(_1=99.0), sequence=50, epoch=7)) is Absorbed.OLD
    assert mirror.absorb(frame(make_options(_1=99.0), sequence=3, epoch=8)) is Absorbed.OLD
    assert known(mirror, 1) == {1: 10.0}


def test_only_rows_that_differ_have_a_new_version() -> None:
    mirror = DerivedMirror()
    mirror.absorb(frame(make_options(_1=10.0, _2=20.0), sequence=1, kind=FrameKind.FULL))
    seen = mirror.version

    mirror.absorb(frame(make_options(_1=10.0, _2=21.0), sequence=2, kind=FrameKind.FULL))

    rows, _ = mirror.changed_since([1, 2, 3], [], seen)
    assert rows["instrument_id"].tolist() == [2]


def test_the_caches_count_until_there_is_a_frame_of_their_leader() -> None:
    mirror = DerivedMirror()
    mirror.absorb_cached(7, make_options(_1=10.0), NO_SERIES)
    mirror.absorb(frame(make_options(_1=11.0), sequence=9))

    mirror.absorb_cached(7, make_options(_1=10.0), NO_SERIES)

    assert known(mirror, 1) == {1: 11.0}


def test_tables_grow() -> None:
    mirror = DerivedMirror()
    options = make_options(**{f"_{number}": float(number) for number in range(1, 1_001)})

    mirror.absorb(frame(options, sequence=1, kind=FrameKind.FULL))

    assert len(options) == 1_000
    assert options.dtype == OPTION_ROW
    assert known(mirror, 1, 500, 1_000) == {1: 1.0, 500: 500.0, 1_000: 1_000.0}
