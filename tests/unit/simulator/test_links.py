"""A link with latency and limited bandwidth."""

from simulator.links import Link


def test_a_chunk_is_delivered_at_its_time_and_chunks_stay_in_order() -> None:
    link = Link()
    link.put(b"one", due_at=5)
    link.put(b"two", due_at=3)

    assert link.take(4) == b""
    assert link.take(5) == b"onetwo"
    assert not link


def test_bandwidth_limits_each_delivery_and_saves_one_second_at_most() -> None:
    link = Link()
    link.put(b"0123456789", due_at=0)

    assert link.take(0, bytes_per_second=4) == b""
    assert link.take(0.5, bytes_per_second=4) == b"01"
    assert link.is_mid_chunk
    assert link.take(60, bytes_per_second=4) == b"2345"
    assert link.take(61, bytes_per_second=4) == b"6789"
    assert not link.is_mid_chunk


def test_finish_returns_the_rest_of_a_chunk_sent_in_part_and_discards_the_others() -> None:
    link = Link()
    link.put(b"0123", due_at=0)
    link.put(b"more", due_at=0)
    link.take(0, bytes_per_second=2)
    assert link.take(1, bytes_per_second=2) == b"01"

    assert link.finish() == b"23"
    assert not link
    assert link.take(2) == b""


def test_without_a_bandwidth_limit_every_chunk_is_delivered_at_its_time() -> None:
    link = Link()
    link.put(b"0123", due_at=0)
    link.take(0, bytes_per_second=2)
    link.take(1, bytes_per_second=2)

    assert link.take(1) == b"23"
    assert not link.is_mid_chunk
