"""R6: a mute socket (pings but no data) is replaced; if the new one is mute too, replacements are delayed."""

from pathlib import Path

import pytest

from tests.faults.connections import count_disconnects, epochs, open_all_day, states, wait_without_opening
from tests.faults.standstills import wait_for_due_packets
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    list_reports,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

SCALED = {"MUTE_SECONDS": "4"}  # A pause of half of it resets the rate; a busy machine causes shorter ones.


def test_r6_a_socket_without_data_in_a_session_is_replaced_as_mute(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        open_all_day()
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator, **SCALED) as worker:
            wait_until_streaming(40)
            wait_for_due_packets()
            openings, before = count_opened_sockets(simulator), epochs()

            simulator.set_fault("stall_one", 1, connection=2)

            wait_until(lambda: count_disconnects("mute") == 1, seconds=10, message="the mute socket is detected")
            wait_until_streaming(40, seconds=10)
            assert count_opened_sockets(simulator) == openings + 1
            assert (count_disconnects("network"), epochs()) == (0, before)
            assert b"(mute: no packet for" in worker.log.read_bytes()


@pytest.mark.parametrize("fault", ["mute", "burst_then_silence"])
def test_r6_sockets_that_are_mute_again_are_not_replaced_in_a_loop(tmp_path: Path, fault: str) -> None:
    with running_simulator(rate=2_000) as simulator:
        open_all_day()
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator, **SCALED):
            wait_until_streaming(40)
            wait_for_due_packets()
            openings = count_opened_sockets(simulator)

            simulator.set_fault(fault)

            wait_until(lambda: count_disconnects("mute") == 10, seconds=30, message="each connection was mute twice")
            assert states() == ["mute"] * 5
            assert {one.last_error.split(":")[0] for one in list_reports()} == {"mute"}
            assert count_opened_sockets(simulator) == openings + 5
            wait_without_opening(simulator, seconds=4)
