"""The doubling wait after failures in a row."""

from datetime import timedelta

import pytest

from marketdata.domain.backoff import seconds_after, wait_after


@pytest.mark.parametrize(("failures", "expected"), [(1, 15.0), (2, 30.0), (5, 240.0), (6, 400.0), (10_000, 400.0)])
def test_the_wait_doubles_up_to_the_longest(failures: int, expected: float) -> None:
    assert seconds_after(failures, first=15.0, longest=400.0) == expected
    waited = wait_after(failures, first=timedelta(seconds=15), longest=timedelta(seconds=400))
    assert waited == timedelta(seconds=expected)
