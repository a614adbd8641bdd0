"""Bytes on a long or slow way."""

from simulator.lines import Line


def test_a_chunk_arrives_when_it_is_due_and_none_overtakes() -> None:
    line = Line()
    line.put(b"one", due_at=5)
    line.put(b"two", due_at=3)

    assert line.take(4) == b""
    assert line.take(5) == b"onetwo"
    assert not line


def test_a_drip_lets_through_what_its_rate_allows_and_saves_up_a_second() -> None:
    line = Line()
    line.put(b"0123456789", due_at=0)

    assert line.take(0, bytes_per_second=4) == b""
    assert line.take(0.5, bytes_per_second=4) == b"01"
    assert line.is_mid_chunk
    assert line.take(60, bytes_per_second=4) == b"2345"
    assert line.take(61, bytes_per_second=4) == b"6789"
    assert not line.is_mid_chunk


def test_what_has_left_in_part_is_finished_and_the_rest_forgotten() -> None:
    line = Line()
    line.put(b"0123", due_at=0)
    line.put(b"more", due_at=0)
    line.take(0, bytes_per_second=2)
    assert line.take(1, bytes_per_second=2) == b"01"

    assert line.finish() == b"23"
    assert not line
    assert line.take(2) == b""


def test_without_a_drip_everything_that_is_due_arrives() -> None:
    line = Line()
    line.put(b"0123", due_at=0)
    line.take(0, bytes_per_second=2)
    line.take(1, bytes_per_second=2)

    assert line.take(1) == b"23"
    assert not line.is_mid_chunk
