import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.analytics.rankings import Ranking, Scan
from marketdata.streaming.messages import (
    Acknowledge,
    ClientMessage,
    MessageError,
    Ping,
    Resync,
    SetRate,
    Unwatch,
    WatchChain,
    WatchInstruments,
    WatchScan,
    WatchWatchlist,
    parse_client_message,
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"type": "watch", "id": "chain", "chain": {"symbol": "NIFTY", "expiry": "2026-11-24", "strikes": 25}},
            WatchChain("chain", "NIFTY", "2026-11-24", None, 25),
        ),
        (
            {"type": "watch", "id": "c", "chain": {"symbol": "RELIANCE", "exchange": "BSE"}},
            WatchChain("c", "RELIANCE", None, "BSE", None),
        ),
        ({"type": "watch", "id": "list", "watchlist": True}, WatchWatchlist("list")),
        ({"type": "watch", "id": "strip", "instruments": [7, 9]}, WatchInstruments("strip", (7, 9))),
        ({"type": "watch", "id": "s", "scan": {"ranking": "iv_fall"}}, WatchScan("s", Scan(Ranking.IV_FALL))),
        (
            {"type": "watch", "id": "s", "scan": {"ranking": "oi_rise", "underlying": " NSE:NIFTY"}},
            WatchScan("s", Scan(Ranking.OI_RISE, "NSE:NIFTY")),
        ),
        ({"type": "unwatch", "id": "strip"}, Unwatch("strip")),
        ({"type": "rate", "hz": 10}, SetRate(10)),
        ({"type": "ack", "seq": 17}, Acknowledge(17)),
        ({"type": "resync"}, Resync()),
        ({"type": "ping"}, Ping()),
    ],
)
def test_each_message_is_parsed(body: dict[str, Any], expected: ClientMessage) -> None:
    assert parse_client_message(json.dumps(body)) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad_json"),
        ("[1]", "bad_message"),
        ("{}", "unknown_type"),
        ('{"type": "buy"}', "unknown_type"),
        ('{"type": {"a": 1}}', "unknown_type"),
        ('{"type": "watch", "watchlist": true}', "bad_watch"),
        ('{"type": "watch", "id": "", "watchlist": true}', "bad_watch"),
        ('{"type": "watch", "id": "a"}', "bad_watch"),
        ('{"type": "watch", "id": "a", "watchlist": 1}', "bad_watch"),
        ('{"type": "watch", "id": "a", "chain": {}}', "bad_watch"),
        ('{"type": "watch", "id": "a", "chain": {"symbol": 5}}', "bad_watch"),
        ('{"type": "watch", "id": "a", "chain": {"symbol": "NIFTY", "strikes": 0}}', "bad_watch"),
        ('{"type": "watch", "id": "a", "chain": {"symbol": "NIFTY", "strikes": true}}', "bad_watch"),
        ('{"type": "watch", "id": "a", "instruments": ["7"]}', "bad_watch"),
        ('{"type": "watch", "id": "a", "instruments": [0]}', "bad_watch"),
        ('{"type": "watch", "id": "a", "instruments": [4294967296]}', "bad_watch"),
        (json.dumps({"type": "watch", "id": "a", "instruments": [7] * 2_001}), "too_many"),
        ('{"type": "watch", "id": "a", "scan": {}}', "bad_watch"),
        ('{"type": "watch", "id": "a", "scan": {"ranking": "gamma_squeeze"}}', "bad_watch"),
        ('{"type": "watch", "id": "a", "scan": {"ranking": ["oi_rise"]}}', "bad_watch"),
        ('{"type": "watch", "id": "a", "scan": {"ranking": "oi_rise", "underlying": "NSE:\\nNIFTY"}}', "bad_watch"),
        ('{"type": "rate", "hz": 5}', "bad_rate"),
        ('{"type": "rate", "hz": "4"}', "bad_rate"),
        ('{"type": "ack"}', "bad_message"),
        ('{"type": "ack", "seq": -1}', "bad_message"),
    ],
)
def test_an_invalid_message_is_refused_with_a_code(text: str, code: str) -> None:
    with pytest.raises(MessageError) as refusal:
        parse_client_message(text)

    assert refusal.value.code == code


def test_a_refused_watch_names_the_watch() -> None:
    with pytest.raises(MessageError) as refusal:
        parse_client_message('{"type": "watch", "id": "chain", "chain": {}}')

    assert refusal.value.watch_id == "chain"


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)
    | st.dictionaries(
        st.sampled_from(["type", "id", "chain", "hz", "seq", "instruments", "watchlist"]),
        st.sampled_from(["watch", "rate", "ack", "unwatch", 4, None, True, [], {}, [7], {"symbol": "A"}]),
    )
)
def test_arbitrary_json_is_parsed_or_refused(body: Any) -> None:
    with contextlib.suppress(MessageError):
        parse_client_message(json.dumps(body))
