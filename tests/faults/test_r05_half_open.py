"""R5: unanswered pings detect a half-open socket, and only that socket is replaced."""

from pathlib import Path

import pytest

from tests.faults.connections import count_disconnects, epochs, open_all_day
from tests.faults.markets import running_market
from tests.faults.standstills import RATE, assert_stops_in_time
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

# Scaled: 13 s and 10 s, 23 s together.
SCALED = {"PING_QUIET_MS": "1000", "PING_ANSWER_MS": "1000"}
STALE_SECONDS = 3.0


def test_r5_a_half_open_socket_is_replaced_and_only_that_one(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator, **SCALED):
            wait_until_streaming(40)
            openings, before = count_opened_sockets(simulator), epochs()

            simulator.set_fault("half_open", 1, connection=2)

            wait_until(
                lambda: count_disconnects("network") == 1, seconds=10, message="the half-open socket is detected"
            )
            wait_until(
                lambda: count_opened_sockets(simulator) == openings + 1, seconds=10, message="a new socket is open"
            )
            wait_until_streaming(40, seconds=10)
            assert (count_disconnects("mute"), epochs()) == (0, before)
            assert count_opened_sockets(simulator) == openings + 1


def test_r5_rows_of_a_half_open_socket_are_stale_within_three_seconds(tmp_path: Path) -> None:
    open_all_day()
    with running_market(tmp_path, rate=RATE) as market:
        assert_stops_in_time(market, "half_open", seconds=STALE_SECONDS)
