"""The base of a change: the oldest sample of the last quarter of an hour, by id."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.analytics.sample_ring import LONGEST_SECONDS, SAMPLE_SECONDS, SAMPLES, SampleRing

UNKNOWN = float("nan")
IDS = (3, 5, 8, 13)


def ids_of(*ids: int) -> npt.NDArray[np.int64]:
    return np.array(ids, dtype=np.int64)


@given(st.data())
def test_the_base_of_each_id_is_its_oldest_usable_sample(data: st.DataObject) -> None:
    """Samples at irregular times, with ids that come and go, against a list of all samples."""
    ring, now = SampleRing(), 1_000.0
    taken: list[tuple[float, dict[int, float]]] = []
    for _ in range(data.draw(st.integers(0, 2 * SAMPLES))):
        now += data.draw(st.sampled_from([60.0, 61.0, 75.0, 400.0]))
        ids = data.draw(st.sets(st.sampled_from(IDS)).map(sorted))
        values = {one: data.draw(st.sampled_from([1.5, 2.5, UNKNOWN])) for one in ids}
        ring.keep(ids_of(*ids))
        # An id that goes loses its samples.
        taken = [(at, {one: held[one] for one in held if one in ids}) for at, held in taken]
        ring.add(np.array(list(values.values())), now)
        taken = [*taken, (now, values)][-SAMPLES:]
    ids = sorted(taken[-1][1]) if taken else []
    now += data.draw(st.floats(0, 1_000))

    base = ring.base(now)

    assert len(base.values) == len(base.ages) == len(ids)
    for place, one in enumerate(ids):
        usable = [
            (held[one], now - at)
            for at, held in taken
            if SAMPLE_SECONDS <= now - at <= LONGEST_SECONDS and not np.isnan(held.get(one, UNKNOWN))
        ]
        value, age = usable[0] if usable else (UNKNOWN, UNKNOWN)
        np.testing.assert_array_equal([base.values[place], base.ages[place]], [value, age])


def test_there_is_no_base_before_a_minute() -> None:
    ring = SampleRing()
    ring.keep(ids_of(3))
    assert ring.is_due(0.0)
    ring.add(np.array([11.83]), 0.0)

    assert not ring.is_due(59.0)
    assert np.isnan(ring.base(59.0).values).all()
    assert ring.is_due(60.0)
    assert ring.base(60.0).ages.tolist() == [60.0]


def test_a_sample_a_minute_gives_a_base_of_fifteen_minutes() -> None:
    ring = SampleRing()
    ring.keep(ids_of(3))
    for minute in range(40):
        ring.add(np.array([float(minute)]), 60.0 * minute)

    base = ring.base(60.0 * 39 + 30)

    assert (base.values.tolist(), base.ages.tolist()) == ([24.0], [930.0])


def test_an_id_that_came_later_has_a_newer_base() -> None:
    ring = SampleRing()
    ring.keep(ids_of(3))
    ring.add(np.array([1.0]), 0.0)
    ring.keep(ids_of(2, 3))
    ring.add(np.array([7.0, 2.0]), 60.0)

    base = ring.base(150.0)

    assert base.values.tolist() == [7.0, 1.0]
    assert base.ages.tolist() == [90.0, 150.0]


def test_after_a_standstill_there_is_no_base() -> None:
    ring = SampleRing()
    ring.keep(ids_of(3))
    ring.add(np.array([1.0]), 0.0)

    assert np.isnan(ring.base(LONGEST_SECONDS + 1).values).all()


def test_without_ids_there_is_no_base() -> None:
    ring = SampleRing()
    ring.add(np.zeros(0), 0.0)

    assert len(ring.base(120.0).values) == 0
