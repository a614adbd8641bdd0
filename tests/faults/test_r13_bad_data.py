"""R13: a socket with more than 1 % invalid packets is replaced once; no invalid value is shown."""

from pathlib import Path

import pytest

from tests.faults.connections import count_disconnects, epochs, open_all_day, wait_without_opening
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]


@pytest.mark.parametrize("fault", ["truncated", "negative_price"])
def test_r13_a_socket_with_many_invalid_packets_is_replaced_once(tmp_path: Path, fault: str) -> None:
    with running_simulator(rate=2_000) as simulator:
        open_all_day()
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator) as worker:
            wait_until_streaming(40)
            openings, before = count_opened_sockets(simulator), epochs()

            simulator.set_fault(fault, 0.2)

            wait_until(
                lambda: count_disconnects("bad_data") == 5, seconds=20, message="each socket was replaced for bad data"
            )
            wait_until_streaming(40, seconds=10)
            assert count_opened_sockets(simulator) == openings + 5
            assert (count_disconnects("network"), count_disconnects("mute"), epochs()) == (0, 0, before)
            assert b"of the packets were malformed or impossible" in worker.log.read_bytes()
            wait_without_opening(simulator, seconds=4)
