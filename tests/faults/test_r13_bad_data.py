"""R13: of the sockets with more than 1 % invalid packets one is replaced; no other while its next one is as bad."""

from pathlib import Path

import pytest

from tests.faults.connections import count_disconnects, epochs, list_sockets, open_all_day, wait_without_opening
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

# Enough packets on each connection that a small share of bad ones is evidence within seconds.
COUNT = 400


@pytest.mark.parametrize(("fault", "share"), [("truncated", 0.05), ("negative_price", 0.02)])
def test_r13_while_all_sockets_are_bad_one_is_replaced_and_the_other_four_stay(
    tmp_path: Path, fault: str, share: float
) -> None:
    with running_simulator(rate=2_000) as simulator:
        open_all_day()
        make_subscriptions(simulator, count=COUNT)
        with running_worker(tmp_path, name="feed", simulator=simulator) as worker:
            wait_until_streaming(COUNT)
            openings, before, sockets = count_opened_sockets(simulator), epochs(), list_sockets(simulator)

            simulator.set_fault(fault, share)

            wait_until(
                lambda: count_opened_sockets(simulator) == openings + 1, seconds=20, message="one socket is replaced"
            )
            wait_until_streaming(COUNT, seconds=10)
            packets = {one.connection: one.packets for one in list_reports()}
            # The next socket of that connection is as bad, and so are the four others: all of them stay.
            wait_without_opening(simulator, seconds=4)
            assert len(sockets & list_sockets(simulator)) == 4
            assert all(one.packets > packets[one.connection] for one in list_reports())
            assert [count_disconnects(cause) for cause in ("bad_data", "network", "mute")] == [1, 0, 0]
            assert epochs() == before
            assert b"of the packets were malformed or impossible" in worker.log.read_bytes()


def test_r13_the_only_bad_socket_is_replaced(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        open_all_day()
        make_subscriptions(simulator, count=COUNT)
        with running_worker(tmp_path, name="feed", simulator=simulator):
            wait_until_streaming(COUNT)
            sockets = list_sockets(simulator)

            simulator.set_fault("truncated", 0.2, connection=2)

            wait_until(lambda: count_disconnects("bad_data") == 1, seconds=20, message="it is closed for bad data")
            wait_until_streaming(COUNT, seconds=10)
            assert sockets - list_sockets(simulator) == {sorted(sockets)[1]}
