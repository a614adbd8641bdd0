"""Points of a day's straddle: the day of a minute, and their bytes."""

from datetime import UTC, date, datetime

import numpy as np
from hypothesis import given
from hypothesis.strategies import integers

from marketdata.domain.analytics.straddle_points import POINT, day_of, decode_points, end_of, minute_of

TUESDAY = date(2026, 12, 1)


def minute_at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Return the minute of a time in UTC."""
    return minute_of(int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1_000 + 59_999)


def test_a_day_is_that_of_india() -> None:
    assert day_of(minute_at(2026, 11, 30, 18, 29)) == date(2026, 11, 30)
    assert day_of(minute_at(2026, 11, 30, 18, 30)) == TUESDAY
    assert end_of(TUESDAY) == datetime(2026, 12, 1, 18, 30, tzinfo=UTC).timestamp()


@given(minute=integers(minute_at(2020, 1, 1), minute_at(2040, 1, 1)))
def test_every_minute_is_within_its_day(minute: int) -> None:
    end = end_of(day_of(minute)) // 60

    assert end - 24 * 60 <= minute < end


@given(cut=integers(0, 3 * POINT.itemsize))
def test_points_that_were_cut_off_are_left_out(cut: int) -> None:
    points = np.zeros(3, dtype=POINT)
    points["minute"], points["straddle"] = [1, 2, 4], [246.7, 247.05, 240.0]

    found = decode_points(points.tobytes()[:cut])

    assert found.tolist() == points[: cut // POINT.itemsize].tolist()


def test_a_point_has_32_bytes_of_which_the_first_four_are_its_minute() -> None:
    point = np.zeros(1, dtype=POINT)
    point["minute"] = 29_400_000

    assert POINT.itemsize == 32
    assert int.from_bytes(point.tobytes()[:4], "little") == 29_400_000
