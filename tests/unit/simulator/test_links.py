"""Bytes on a long or slow way."""

from simulator.links import Link


def test_a_chunk_arrives_when_it_is_due_and_none_overtakes() -> None:
    link = Link()
    link.put(b"one", due_at=5)
    link.put(b"two", due_at=3)

    assert link.take(4) == b""
    assert link.take(5) == b"onetwo"
    assert not link


def test_a_drip_lets_through_what_its_rate_allows_and_saves_up_a_second() -> None:
    link = Link()
    link.put(b"0123456789", due_at=0)

    assert link.take(0, bytes_per_second=4) == b""
    assert link.take(0.5, bytes_per_second=4) == b"01"
    assert link.is_mid_chunk
    assert link.take(60, bytes_per_second=4) == b"2345"
    assert link.take(61, bytes_per_second=4) == b"6789"
    assert not link.is_mid_chunk


def test_what_has_left_in_part_is_finished_and_the_rest_forgotten() -> None:
    link = Link()
    link.put(b"0123", due_at=0)
    link.put(b"more", due_at=0)
    link.take(0, bytes_per_second=2)
    assert link.take(1, bytes_per_second=2) == b"01"

    assert link.finish() == b"23"
    assert not link
    assert link.take(2) == b""


def test_without_a_drip_everything_that_is_due_arrives() -> None:
    link = Link()
    link.put(b"0123", due_at=0)
    link.take(0, bytes_per_second=2)
    link.take(1, bytes_per_second=2)

    assert link.take(1) == b"23"
    assert not link.is_mid_chunk
