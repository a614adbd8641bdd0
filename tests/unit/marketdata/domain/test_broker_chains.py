"""The broker's chains as they are kept, and when they are requested again."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from marketdata.domain.broker_chains import (
    CHAIN_ROW,
    HEADER_BYTES,
    REFRESH,
    BrokerChain,
    decode_chain,
    decode_time,
    encode_chain,
    is_due,
    is_of_session,
)
from marketdata.domain.instruments import ExchangeSegment as S
from marketdata.domain.sessions import IST, SessionBook

CALENDAR = SessionBook()  # ordinary weekdays
TUESDAY_NOON = datetime(2026, 12, 1, 12, 0, tzinfo=IST)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 12, day, hour, minute, tzinfo=IST)


def make_chain() -> BrokerChain:
    rows = np.zeros(2, dtype=CHAIN_ROW)
    rows["instrument_id"], rows["ltp"], rows["oi"] = [41, 42], [141.35, np.nan], [3_786_445, 0]
    return BrokerChain(datetime(2026, 12, 1, 6, 30, 0, 125_000, tzinfo=UTC), rows)


def test_a_chain_is_read_as_it_was_written() -> None:
    chain = make_chain()

    payload = encode_chain(chain)
    found = decode_chain(payload)

    assert found is not None
    assert found.received_at == chain.received_at == decode_time(payload[:HEADER_BYTES])
    assert found.rows.tobytes() == chain.rows.tobytes()


@pytest.mark.parametrize("cut", [0, 8, HEADER_BYTES - 1, HEADER_BYTES + 1, HEADER_BYTES + CHAIN_ROW.itemsize + 5])
def test_a_chain_that_was_cut_off_is_none(cut: int) -> None:
    assert decode_chain(encode_chain(make_chain())[:cut]) is None


def test_a_chain_of_another_layout_is_none() -> None:
    payload = (99).to_bytes(8, "little") + encode_chain(make_chain())[8:]

    assert decode_chain(payload) is None
    assert decode_time(payload) is None


@pytest.mark.parametrize(
    ("received_at", "now", "is_current"),
    [
        (at(1, 9, 16), at(1, 15), True),
        (at(1, 9, 16), at(1, 23), True),  # the session that ended last
        (at(1, 15), at(2, 9, 10), True),  # before the open of the next one
        (at(1, 15), at(2, 9, 16), False),
        (at(2, 8), at(2, 9, 16), False),  # received before the open: it names the close of Monday
        (at(4, 15), at(6, 12), True),  # a weekend
    ],
)
def test_a_chain_belongs_to_one_session(received_at: datetime, now: datetime, *, is_current: bool) -> None:
    assert is_of_session(S.NSE_FNO, received_at, CALENDAR, now) is is_current


@pytest.mark.parametrize(
    ("received_at", "now", "due"),
    [
        (None, TUESDAY_NOON, True),
        (TUESDAY_NOON - REFRESH + timedelta(seconds=1), TUESDAY_NOON, False),
        (TUESDAY_NOON - REFRESH, TUESDAY_NOON, True),
        (at(1, 15, 39), at(1, 15, 41), True),  # once after the close
        (at(1, 15, 41), at(1, 23), False),
        (at(1, 15, 41), at(2, 9, 14), False),
        (at(1, 15, 41), at(2, 9, 16), True),
    ],
)
def test_a_chain_is_requested_in_a_session_and_once_after_it(
    received_at: datetime | None, now: datetime, *, due: bool
) -> None:
    assert is_due(S.NSE_FNO, received_at, CALENDAR, now) is due


def test_for_a_trader_who_waits_a_chain_is_due_sooner() -> None:
    fifteen_seconds, received_at = timedelta(seconds=15), TUESDAY_NOON - timedelta(seconds=15)

    assert is_due(S.NSE_FNO, received_at, CALENDAR, TUESDAY_NOON, after=fifteen_seconds)
    assert not is_due(S.NSE_FNO, received_at, CALENDAR, TUESDAY_NOON)
    assert not is_due(S.NSE_FNO, at(1, 15, 41), CALENDAR, at(1, 23), after=fifteen_seconds)


def test_the_commodity_exchange_has_its_own_hours() -> None:
    received_at, evening = at(1, 20), at(1, 20, 3)

    assert is_due(S.MCX_COMM, received_at, CALENDAR, evening)
    assert not is_due(S.NSE_FNO, received_at, CALENDAR, evening)
