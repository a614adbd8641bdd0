"""Changes: what they touch, and their JSON."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.changes import EVERYTHING, MOST_LISTED, Changes
from marketdata.domain.instruments import ExchangeSegment, SeriesKey

NIFTY = SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", date(2026, 11, 24))
CRUDE = SeriesKey(ExchangeSegment.MCX_COMM, "CRUDEOIL", date(2026, 11, 24))

series_keys = st.builds(
    SeriesKey, st.sampled_from(ExchangeSegment), st.text(max_size=8), st.dates(date(2026, 1, 1), date(2030, 1, 1))
)
all_changes = st.builds(Changes, st.frozensets(series_keys, max_size=4), st.frozensets(st.integers(1, 2**40)))


@given(all_changes | st.just(EVERYTHING))
def test_an_encoded_change_is_read_back(changes: Changes) -> None:
    assert Changes.parse(changes.encode()) == changes


def test_a_change_of_most_instruments_is_everything() -> None:
    most = Changes(instruments=frozenset(range(MOST_LISTED)))
    more = Changes(instruments=frozenset(range(MOST_LISTED + 1)))

    assert Changes.parse(most.encode()) == most
    assert Changes.parse(more.encode()) == EVERYTHING


def test_a_change_touches_its_series_and_its_instruments_only() -> None:
    changes = Changes(frozenset({NIFTY}), frozenset({7}))

    assert changes.touches(series=NIFTY, instruments=())
    assert changes.touches(series=CRUDE, instruments=(6, 7))
    assert not changes.touches(series=CRUDE, instruments=(6, 8))
    assert not changes.touches(series=None, instruments=())
    assert EVERYTHING.touches(series=None, instruments=())


@pytest.mark.parametrize("payload", [b"{", b"{}", b'{"series": [[2, "NIFTY"]], "instruments": []}', b"[]"])
def test_another_payload_is_refused(payload: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Changes.parse(payload)
