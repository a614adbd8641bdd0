"""R21: what one browser is sent, and what waits for it while it does not read."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.quote_rows import BusFrame
from marketdata.streaming.frames import BrowserFrame, BrowserFrameKind, encode_status
from marketdata.streaming.mirror import QuoteMirror
from marketdata.streaming.moments import Moments
from marketdata.streaming.outbox import Outbox
from tests.frame_readers import decode_browser_frame
from tests.unit.marketdata.streaming.bus_rows import make_frame, make_row
from tests.unit.marketdata.streaming.test_mirror import frames_of_two


def next_frame(outbox: Outbox, mirror: QuoteMirror, *, now: float, at_once: bool = False) -> BrowserFrame | None:
    """Return the frame of a browser that is alone."""
    moment = Moments().get(outbox.rate_hz, now=now, now_ms=2_000, version=mirror.version, status=no_status)
    payload = outbox.next_frame(mirror, moment, at_once=at_once)
    return None if payload is None else decode_browser_frame(payload)


def no_status() -> bytes:
    return encode_status(None, {})


def ids_in(frame: BrowserFrame | None) -> list[int]:
    assert frame is not None
    return [int(one) for one in frame.rows["instrument_id"]]


def watching(*instrument_ids: int) -> tuple[Outbox, QuoteMirror]:
    """Return an outbox whose snapshot was sent and acknowledged at time 0."""
    outbox, mirror = Outbox(epoch=3, now=0.0), QuoteMirror()
    mirror.absorb(make_frame(*(make_row(one) for one in instrument_ids), sequence=1))
    outbox.watch(instrument_ids)
    next_frame(outbox, mirror, now=0.0)
    outbox.acknowledge(1)
    return outbox, mirror


def test_the_first_frame_is_a_snapshot_of_all_watched_instruments() -> None:
    outbox, mirror = Outbox(epoch=3, now=0.0), QuoteMirror()
    mirror.absorb(make_frame(make_row(41), make_row(43), sequence=1))
    outbox.watch([41, 42, 41])

    frame = next_frame(outbox, mirror, now=0.0)

    assert frame is not None
    assert (frame.kind, frame.sequence, frame.epoch) == (BrowserFrameKind.SNAPSHOT, 1, 3)
    assert frame.rows["instrument_id"].tolist() == [41, 42]
    assert (frame.rows["known"] > 0).tolist() == [True, False]


def test_later_frames_contain_only_changes() -> None:
    outbox, mirror = watching(41, 42)
    mirror.absorb(make_frame(make_row(42, ltp=7.0), make_row(99), sequence=2))

    frame = next_frame(outbox, mirror, now=0.25)

    assert frame is not None
    assert (frame.kind, frame.sequence) == (BrowserFrameKind.CHANGES, 2)
    assert frame.rows["instrument_id"].tolist() == [42]


def test_changes_between_two_frames_are_conflated_to_one_row() -> None:
    outbox, mirror = watching(41)
    for sequence, price in enumerate([7.0, 8.0, 9.0], start=2):
        mirror.absorb(make_frame(make_row(41, ltp=price), sequence=sequence))

    frame = next_frame(outbox, mirror, now=0.25)

    assert frame is not None
    assert frame.rows["ltp"].tolist() == [9.0]


def test_frames_are_limited_to_the_rate_of_the_client() -> None:
    outbox, mirror = watching(41)
    mirror.absorb(make_frame(make_row(41, ltp=7.0), sequence=2))

    assert next_frame(outbox, mirror, now=0.24) is None
    outbox.rate_hz = 10
    assert ids_in(next_frame(outbox, mirror, now=0.24)) == [41]


def test_a_frame_at_once_skips_the_interval_and_not_the_limit_of_unacknowledged_frames() -> None:
    outbox, mirror = watching(41)
    for sequence in (2, 3, 4):
        mirror.absorb(make_frame(make_row(41, ltp=float(sequence)), sequence=sequence))
        assert (next_frame(outbox, mirror, now=0.01, at_once=True) is None) == (sequence == 4)

    assert outbox.is_blocked


def test_without_changes_only_empty_frames_are_sent_as_heartbeats() -> None:
    outbox, mirror = watching(41)

    assert next_frame(outbox, mirror, now=0.5) is None
    assert ids_in(next_frame(outbox, mirror, now=0.75)) == []


def test_at_most_two_frames_are_unacknowledged_and_later_changes_are_conflated() -> None:
    outbox, mirror = watching(41, 42)
    for sequence, (now, price) in enumerate([(1.0, 7.0), (2.0, 8.0)], start=2):
        mirror.absorb(make_frame(make_row(41, ltp=price), sequence=sequence))
        assert ids_in(next_frame(outbox, mirror, now=now)) == [41]
    mirror.absorb(make_frame(make_row(41, ltp=9.0), sequence=4))
    assert next_frame(outbox, mirror, now=3.0) is None
    mirror.absorb(make_frame(make_row(42, ltp=5.0), sequence=5))
    assert next_frame(outbox, mirror, now=4.0) is None

    outbox.acknowledge(2)
    frame = next_frame(outbox, mirror, now=4.0)

    assert frame is not None
    assert frame.sequence == 4
    assert dict(zip(ids_in(frame), frame.rows["ltp"].tolist(), strict=True)) == {41: 9.0, 42: 5.0}


def test_a_client_without_an_acknowledgement_for_5_s_gets_one_frame_a_second() -> None:
    outbox, mirror = watching(41)
    next_frame(outbox, mirror, now=1.0)

    assert outbox.interval_seconds(1.0 + 4.9) == 0.25
    assert outbox.interval_seconds(1.0 + 5.0) == 1.0
    outbox.acknowledge(2)
    assert outbox.interval_seconds(1.0 + 5.1) == 0.25


def test_a_client_without_an_acknowledgement_for_15_s_is_stalled() -> None:
    outbox, mirror = watching(41)
    next_frame(outbox, mirror, now=1.0)

    assert not outbox.is_stalled(1.0 + 14.9)
    assert outbox.is_stalled(1.0 + 15.0)


def test_a_new_watch_is_answered_at_once_with_a_snapshot() -> None:
    outbox, mirror = watching(41)
    outbox.watch([42])

    frame = next_frame(outbox, mirror, now=0.01)

    assert frame is not None
    assert (frame.kind, ids_in(frame)) == (BrowserFrameKind.SNAPSHOT, [42])


def test_a_resync_is_answered_with_a_snapshot() -> None:
    outbox, mirror = watching(41)
    outbox.resync()

    frame = next_frame(outbox, mirror, now=0.01)

    assert frame is not None
    assert (frame.kind, ids_in(frame)) == (BrowserFrameKind.SNAPSHOT, [41])


def test_even_snapshots_wait_for_acknowledgements() -> None:
    outbox, mirror = watching(41)
    for now in (0.1, 0.2):
        outbox.resync()
        assert next_frame(outbox, mirror, now=now) is not None

    outbox.resync()

    assert next_frame(outbox, mirror, now=0.3) is None


@given(st.lists(st.tuples(frames_of_two, st.booleans(), st.booleans()), max_size=30))
def test_an_old_snapshot_and_the_frames_since_are_a_fresh_snapshot(steps: list[tuple[BusFrame, bool, bool]]) -> None:
    mirror, outbox, now = QuoteMirror(), Outbox(epoch=3, now=0.0), 0.0
    outbox.watch([1, 2, 3, 4])
    held: dict[int, bytes] = {}

    for bus_frame, sends, acknowledges in [*steps, (make_frame(sequence=1), True, True)]:
        mirror.absorb(bus_frame)
        now += 1.0
        if acknowledges:
            outbox.acknowledge(2**32)
        frame = next_frame(outbox, mirror, now=now) if sends else None
        if frame is not None:
            if frame.kind is BrowserFrameKind.SNAPSHOT:
                held.clear()
            held |= {int(row["instrument_id"]): _without_age(row) for row in frame.rows}

    fresh = Outbox(epoch=3, now=0.0)
    fresh.watch([1, 2, 3, 4])
    snapshot = next_frame(fresh, mirror, now=0.0)
    assert snapshot is not None
    assert held == {int(row["instrument_id"]): _without_age(row) for row in snapshot.rows}


def _without_age(row: np.void) -> bytes:
    return row.tobytes()[:-4]
