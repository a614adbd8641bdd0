"""Helpers for a connection whose packets stop: what the browser shows of it, and when."""

import json
import time
import urllib.request
from typing import Any
from urllib.error import HTTPError

from tests.faults.markets import Market
from tests.integration.subscriptions.feed.feed_workers import list_reports
from tests.waiting import wait_until

RATE = 10_000
"""Packets a second over all listed instruments: some 30 a second on each connection of a running market."""


def read_feed_part(market: Market) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://{market.web}/health", timeout=10) as reply:
            return dict(json.load(reply)["parts"]["feed"])
    except HTTPError as refusal:
        with refusal:
            return dict(json.load(refusal)["parts"]["feed"])


def wait_for_due_packets(packets: int = 100) -> None:
    """Wait until every owner expects at least `packets` in ten seconds, of the 300 that come.

    Before that a silence is no fault: the watchdog and the delivery judge a connection by the rate that they have seen.
    """
    wait_until(
        lambda: len(list_reports()) == 5 and all(one.delivery.due >= packets for one in list_reports()),
        seconds=30,
        message="packets are due on every connection",
    )


def wait_until_shown(market: Market, state: str, *, since_ms: int, seconds: float) -> int:
    """Wait until connection 2 is shown in that state; return when, true UTC epoch in ms."""
    wait_until(
        lambda: market.browser.shown_at_ms(2, state, since_ms=since_ms) is not None,
        seconds=seconds,
        message=f"connection 2 is shown as {state}",
    )
    return market.browser.shown_at_ms(2, state, since_ms=since_ms) or 0


def assert_stale_in_time(market: Market, *, since_ms: int, seconds: float) -> int:
    """Assert that connection 2 is shown as stale within `seconds` after its last packet; return when, epoch in ms."""
    shown_at_ms = wait_until_shown(market, "stale", since_ms=since_ms, seconds=10)
    assert shown_at_ms - (list_reports()[1].last_packet_at_ms or 0) <= seconds * 1_000
    return shown_at_ms


def assert_stops_in_time(market: Market, fault: str, *, seconds: float) -> None:
    """Activate `fault` on connection 2; assert that page and health show it, and the connection is live afterwards."""
    wait_for_due_packets()
    since_ms = time.time_ns() // 1_000_000
    market.simulator.set_fault(fault, 1, connection=2)
    shown_at_ms = assert_stale_in_time(market, since_ms=since_ms, seconds=seconds)
    part = read_feed_part(market)
    assert (part["status"], part["connections"][1]["delivery"]) == ("failing", "silent")
    assert market.browser.feed["live"] == 4
    market.simulator.clear_faults()
    wait_until_shown(market, "live", since_ms=shown_at_ms, seconds=30)
