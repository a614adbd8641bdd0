"""R6: rows of a mute connection are stale within 3 s, also in a session that the calendar lacks; slow feeds."""

import time
from pathlib import Path

import pytest

from tests.faults.connections import close_all_day, count_disconnects, list_sockets, open_all_day
from tests.faults.markets import Market, running_market
from tests.faults.standstills import (
    RATE,
    assert_stale_in_time,
    assert_stops_in_time,
    wait_for_due_packets,
    wait_until_shown,
)
from tests.integration.subscriptions.feed.feed_workers import list_reports
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

STALE_SECONDS = 3.0


def test_r6_rows_that_stand_still_are_stale_within_three_seconds_and_late_ones_delayed(tmp_path: Path) -> None:
    open_all_day()
    with running_market(tmp_path, rate=RATE) as market:
        assert_stops_in_time(market, "stall_one", seconds=STALE_SECONDS)
        assert_a_feed_that_is_eight_seconds_late_is_shown_as_delayed(market)


def assert_a_feed_that_is_eight_seconds_late_is_shown_as_delayed(market: Market) -> None:
    wait_for_due_packets()
    since_ms = time.time_ns() // 1_000_000

    market.simulator.set_fault("delayed_feed", 8)

    wait_until_shown(market, "delayed", since_ms=since_ms, seconds=20)
    wait_until(lambda: market.browser.feed["state"] == "delayed", seconds=10, message="the feed is delayed")
    assert market.browser.feed["connections"][1]["delay_seconds"] in {7, 8, 9}


def test_r6_a_dripping_connection_is_replaced_after_ten_seconds(tmp_path: Path) -> None:
    open_all_day()
    with running_market(tmp_path, rate=RATE) as market:
        # A tenth of them is over twice what the drip carries in that time: six packets of 162 bytes.
        wait_for_due_packets(150)
        since_ms = time.time_ns() // 1_000_000

        market.simulator.set_fault("slow_drip", 100, connection=2)

        wait_until_shown(market, "reconnecting", since_ms=since_ms, seconds=20)
        assert list_reports()[1].last_error.startswith("starved: ")


def test_r6_a_connection_whose_packets_come_again_is_not_replaced(tmp_path: Path) -> None:
    open_all_day()
    with running_market(tmp_path, rate=RATE, feed_variables={"MUTE_SECONDS": "60"}) as market:
        wait_for_due_packets()
        since_ms, began_at = time.time_ns() // 1_000_000, time.monotonic()
        sockets = list_sockets(market.simulator)

        market.simulator.set_fault("stall_one", 1, connection=2)
        wait_until_shown(market, "stale", since_ms=since_ms, seconds=10)
        wait_until(lambda: time.monotonic() - began_at > 10, seconds=15, message="ten seconds have passed")
        since_ms = time.time_ns() // 1_000_000
        market.simulator.clear_fault("stall_one")

        wait_until_shown(market, "live", since_ms=since_ms, seconds=5)
        assert list_sockets(market.simulator) == sockets


def test_r6_a_mute_connection_is_replaced_in_a_session_that_the_calendar_lacks(tmp_path: Path) -> None:
    close_all_day()
    with running_market(tmp_path, rate=RATE, feed_variables={"MUTE_SECONDS": "5"}) as market:
        wait_for_due_packets()
        since_ms = time.time_ns() // 1_000_000

        market.simulator.set_fault("stall_one", 1, connection=2)

        assert_stale_in_time(market, since_ms=since_ms, seconds=STALE_SECONDS)
        wait_until(lambda: count_disconnects("mute") == 1, seconds=10, message="the mute socket is replaced")
