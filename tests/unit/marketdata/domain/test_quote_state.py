"""The state of a quote, in cases that the JavaScript implementation shares."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from marketdata.domain.instruments import ExchangeSegment as S
from marketdata.domain.quote_rows import Known
from marketdata.domain.quote_state import QuoteFacts, SegmentActivity, facts_of, judge_quote, list_closed
from marketdata.domain.sessions import SessionBook

CASES = json.loads((Path(__file__).parents[3] / "data" / "quote_states.json").read_text())
IST = ZoneInfo("Asia/Kolkata")


def moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1_000, tz=UTC)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_state_of_a_quote_follows_price_connection_and_session(case: dict[str, Any]) -> None:
    quote = case["quote"]
    facts = QuoteFacts(quote["hasPrice"], quote["isSuspect"], quote["isCurrent"], moment(quote["receivedAtMs"]))

    state = judge_quote(facts, is_connection_live=case["isConnectionLive"], closed_since=moment(case["closedSinceMs"]))

    assert state.value == case["state"]


@pytest.mark.parametrize(
    ("known", "ltp", "facts"),
    [
        (Known.TRADE, 10.0, (True, False, True)),
        (Known.TRADE, 0.0, (False, False, True)),
        (Known.OI, 10.0, (False, False, True)),
        (Known.TRADE | Known.EARLIER, 10.0, (True, False, False)),
        (Known.TRADE | Known.SUSPECT, 10.0, (True, True, True)),
    ],
)
def test_the_facts_of_a_quote_come_from_its_row(known: Known, ltp: float, facts: tuple[bool, bool, bool]) -> None:
    assert facts_of(known, ltp=ltp, received_at=None) == QuoteFacts(*facts, None)


def test_a_segment_with_ticks_is_open_regardless_of_the_calendar() -> None:
    saturday = datetime(2026, 11, 21, 12, 0, tzinfo=IST)

    closed = list_closed(SessionBook(), ticking={S.NSE_FNO}, now=saturday)

    assert set(closed) == set(S) - {S.NSE_FNO}
    assert closed[S.NSE_EQ] == datetime(2026, 11, 20, 15, 30, tzinfo=IST)
    assert closed[S.MCX_COMM] == datetime(2026, 11, 20, 23, 55, tzinfo=IST)


def test_a_segment_counts_as_ticking_for_30_seconds_after_its_last_trade() -> None:
    activity = SegmentActivity()
    activity.note([S.NSE_FNO], now=100.0)
    activity.note([S.MCX_COMM], now=120.0)

    assert activity.list_ticking(now=130.0) == {S.NSE_FNO, S.MCX_COMM}
    assert activity.list_ticking(now=131.0) == {S.MCX_COMM}
    assert activity.list_ticking(now=151.0) == frozenset()
