import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.quote_rows import NEVER_HEARD, BusFrame, FrameKind, Known
from marketdata.streaming.mirror import Absorbed, QuoteMirror
from tests.unit.marketdata.streaming.bus_rows import FULLY_KNOWN, make_frame, make_row


def ltp_of(mirror: QuoteMirror, instrument_id: int) -> float:
    (row,) = mirror.rows_of([instrument_id], now_ms=2_000)
    return float(row["ltp"])


def connection_of(mirror: QuoteMirror, instrument_id: int) -> int:
    (row,) = mirror.rows_of([instrument_id], now_ms=2_000)
    return int(row["connection"])


def complete_mirror(*, epoch: int = 7, sequence: int = 0) -> QuoteMirror:
    mirror = QuoteMirror()
    mirror.absorb(make_frame(make_row(41, ltp=10.0), sequence=sequence, kind=FrameKind.FULL, epoch=epoch))
    return mirror


def test_changes_that_follow_a_full_frame_are_applied() -> None:
    mirror = complete_mirror(sequence=5)

    assert mirror.absorb(make_frame(make_row(41, ltp=11.0), sequence=6)) is Absorbed.APPLIED
    assert ltp_of(mirror, 41) == 11.0


def test_changes_before_any_full_frame_leave_a_connection_incomplete() -> None:
    mirror = QuoteMirror()

    assert mirror.absorb(make_frame(make_row(41, ltp=11.0), sequence=9)) is Absorbed.GAP
    assert ltp_of(mirror, 41) == 11.0
    assert 1 in mirror.list_incomplete()


def test_a_gap_is_detected_and_its_rows_are_applied() -> None:
    mirror = complete_mirror(sequence=5)

    assert mirror.absorb(make_frame(make_row(41, ltp=12.0), sequence=7)) is Absorbed.GAP
    assert ltp_of(mirror, 41) == 12.0
    assert 1 in mirror.list_incomplete()


def test_a_full_frame_ends_a_gap() -> None:
    mirror = complete_mirror(sequence=5)
    mirror.absorb(make_frame(sequence=8))

    mirror.absorb(make_frame(make_row(41, ltp=13.0), sequence=8, kind=FrameKind.FULL))

    assert 1 not in mirror.list_incomplete()
    assert mirror.absorb(make_frame(sequence=9)) is Absorbed.APPLIED


def test_changes_already_in_a_full_frame_are_dropped() -> None:
    mirror = complete_mirror(sequence=5)

    assert mirror.absorb(make_frame(make_row(41, ltp=9.0), sequence=5)) is Absorbed.OLD
    assert ltp_of(mirror, 41) == 10.0


def test_a_full_frame_older_than_the_applied_changes_is_dropped() -> None:
    mirror = complete_mirror(sequence=5)
    mirror.absorb(make_frame(make_row(41, ltp=11.0), sequence=6))

    assert mirror.absorb(make_frame(make_row(41), sequence=5, kind=FrameKind.FULL)) is Absorbed.OLD
    assert ltp_of(mirror, 41) == 11.0


def test_a_frame_of_a_former_owner_is_dropped() -> None:
    mirror = complete_mirror(epoch=8)

    for kind in FrameKind:
        assert mirror.absorb(make_frame(make_row(41, ltp=1.0), sequence=99, kind=kind, epoch=7)) is Absorbed.OLD
    assert ltp_of(mirror, 41) == 10.0


def test_a_new_owner_must_publish_a_full_frame() -> None:
    mirror = complete_mirror(epoch=7, sequence=5)

    assert mirror.absorb(make_frame(sequence=1, epoch=8)) is Absorbed.GAP
    assert 1 in mirror.list_incomplete()


def test_an_instrument_missing_from_a_full_frame_has_no_connection() -> None:
    mirror = complete_mirror(sequence=5)
    before = mirror.version

    mirror.absorb(make_frame(make_row(42), sequence=5, kind=FrameKind.FULL))

    assert connection_of(mirror, 41) == 0
    assert ltp_of(mirror, 41) == 10.0
    assert mirror.changed_since(mirror.slots_of([41]), before).tolist() == mirror.slots_of([41]).tolist()


def test_a_full_frame_of_one_connection_does_not_affect_the_others() -> None:
    mirror = complete_mirror()

    mirror.absorb(make_frame(make_row(42), sequence=1, kind=FrameKind.FULL, connection=2))

    assert (connection_of(mirror, 41), connection_of(mirror, 42)) == (1, 2)


def test_of_two_connections_the_newer_packet_wins() -> None:
    mirror = QuoteMirror()
    mirror.absorb(make_frame(make_row(41, ltp=10.0, received_at_ms=500), sequence=1, connection=1))

    mirror.absorb(make_frame(make_row(41, ltp=9.0, received_at_ms=400), sequence=1, connection=2))
    assert ltp_of(mirror, 41) == 10.0

    mirror.absorb(make_frame(make_row(41, ltp=11.0, received_at_ms=600), sequence=2, connection=2))
    assert (ltp_of(mirror, 41), connection_of(mirror, 41)) == (11.0, 2)


def test_a_moved_instrument_stays_live_when_its_former_connection_drops_it() -> None:
    mirror = complete_mirror(sequence=5)
    mirror.absorb(make_frame(make_row(99), sequence=1, kind=FrameKind.FULL, connection=2))
    mirror.absorb(make_frame(make_row(41, ltp=11.0, received_at_ms=1_100), sequence=2, connection=2))
    mirror.absorb(make_frame(make_row(41, ltp=12.0, received_at_ms=1_200), sequence=6))
    mirror.absorb(make_frame(make_row(41, ltp=13.0, received_at_ms=1_300), sequence=3, connection=2))

    mirror.absorb(make_frame(make_row(42), sequence=7, kind=FrameKind.FULL))

    assert (ltp_of(mirror, 41), connection_of(mirror, 41)) == (13.0, 2)


def test_a_moved_instrument_without_a_connection_is_taken_from_its_new_one() -> None:
    mirror = complete_mirror(sequence=5)
    mirror.absorb(make_frame(make_row(42), sequence=6, kind=FrameKind.FULL))
    assert connection_of(mirror, 41) == 0

    mirror.absorb(make_frame(make_row(41, ltp=10.5, received_at_ms=900), sequence=1, connection=2))

    assert (ltp_of(mirror, 41), connection_of(mirror, 41)) == (10.5, 2)


def test_cached_rows_fill_missing_quotes_and_never_overwrite_newer_ones() -> None:
    mirror = QuoteMirror()
    mirror.absorb(make_frame(make_row(41, ltp=10.0, received_at_ms=500), sequence=1))
    cached = np.concatenate([make_row(41, ltp=8.0, received_at_ms=300), make_row(42, ltp=20.0, received_at_ms=300)])

    mirror.absorb_cached(1, 7, cached)

    assert (ltp_of(mirror, 41), ltp_of(mirror, 42)) == (10.0, 20.0)
    assert 1 in mirror.list_incomplete()


def test_cached_rows_of_a_former_owner_are_dropped() -> None:
    mirror = complete_mirror(epoch=8)

    mirror.absorb_cached(1, 7, make_row(42, ltp=20.0))

    assert ltp_of(mirror, 42) == 0.0


def test_a_price_of_a_former_socket_has_no_connection_until_a_new_price_arrives() -> None:
    mirror = complete_mirror(sequence=5)
    before = mirror.version

    mirror.absorb(make_frame(make_row(41, ltp=10.0, known=FULLY_KNOWN | Known.EARLIER), sequence=6))

    assert (ltp_of(mirror, 41), connection_of(mirror, 41)) == (10.0, 0)
    assert mirror.changed_since(mirror.slots_of([41]), before).tolist() == mirror.slots_of([41]).tolist()

    mirror.absorb(make_frame(make_row(41, ltp=10.0), sequence=7))

    assert connection_of(mirror, 41) == 1


def test_a_row_without_a_visible_change_leaves_the_version_unchanged() -> None:
    mirror = complete_mirror(sequence=5)
    before = mirror.version

    mirror.absorb(make_frame(make_row(41, ltp=10.0, received_at_ms=1_900, day_high=12.0), sequence=6))

    assert mirror.version == before
    assert mirror.rows_at(mirror.slots_of([41]), now_ms=2_000)["age_ms"].tolist() == [100]


def test_the_table_grows_without_losing_rows() -> None:
    mirror = QuoteMirror(capacity=2)
    mirror.absorb(make_frame(*(make_row(one, ltp=float(one)) for one in range(1, 50)), sequence=1))

    assert [ltp_of(mirror, one) for one in (1, 2, 3, 49)] == [1.0, 2.0, 3.0, 49.0]


def test_reading_unknown_instruments_allocates_no_slots() -> None:
    mirror = complete_mirror()

    rows = mirror.rows_of([7, 41, 8], now_ms=2_000)

    assert rows["instrument_id"].tolist() == [7, 41, 8]
    assert (rows["known"] > 0).tolist() == [False, True, False]
    assert rows["age_ms"][0] == NEVER_HEARD
    assert mirror.slots_of([7, 41, 8]).tolist() == [0]


frames_of_two = st.builds(
    lambda prices, connection, kind, epoch, sequence, received: make_frame(
        *(make_row(one, ltp=price, received_at_ms=received) for one, price in prices.items()),
        sequence=sequence,
        connection=connection,
        kind=kind,
        epoch=epoch,
    ),
    st.dictionaries(st.integers(1, 6), st.sampled_from([1.0, 2.0, 3.0]), max_size=4),
    st.integers(1, 2),
    st.sampled_from(FrameKind),
    st.integers(1, 2),
    st.integers(0, 5),
    st.integers(1, 5),
)


@given(st.lists(frames_of_two, max_size=30))
def test_epochs_and_sequences_never_decrease(frames: list[BusFrame]) -> None:
    mirror = QuoteMirror()
    newest: dict[int, tuple[int, int]] = {}

    for frame in frames:
        position = (frame.epoch, frame.sequence)
        if mirror.absorb(frame) is not Absorbed.OLD:
            assert position >= newest.get(frame.connection, (0, 0))
            newest[frame.connection] = position
