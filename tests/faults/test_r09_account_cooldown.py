"""R9: a refusal of the account on one socket starts a cooldown for the sockets of all workers.

After 805 all sockets are closed for a minute and opened one at a time; after 429 no socket is opened and those that
are open stay open.
"""

from pathlib import Path

import pytest

from tests.faults.connections import errors, states, wait_without_opening
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_broker_sockets,
    count_opened_sockets,
    list_reports,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

# Scaled from a minute, and from two seconds between two openings.
SCALED = {"QUIET_SECONDS": "4", "DHAN_OPEN_INTERVAL_MS": "500"}


def test_r9_after_805_every_worker_closes_its_sockets_for_the_cooldown_and_opens_one_at_a_time(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        make_subscriptions(simulator, count=40)
        with (
            running_worker(tmp_path, name="three", simulator=simulator, FEED_CONNECTIONS="3", **SCALED),
            running_worker(tmp_path, name="two", simulator=simulator, FEED_CONNECTIONS="2", **SCALED),
        ):
            wait_until_streaming(40)
            assert len({one.owner for one in list_reports()}) == 2
            openings = count_opened_sockets(simulator)

            simulator.set_fault("disconnect_code", 805, connection=1)

            wait_until(lambda: count_broker_sockets(simulator) == 0, seconds=3, message="all sockets are closed")
            wait_without_opening(simulator, seconds=2)
            assert states() == ["reconnecting"] * 5
            assert errors() == {"805: too many requests or connections"}
            wait_until(
                lambda: count_opened_sockets(simulator) > openings, seconds=5, message="the first socket is open again"
            )
            took = wait_until(
                lambda: count_opened_sockets(simulator) == openings + 5,
                seconds=15,
                message="all sockets are open again",
            )
            assert took > 4 * 0.5 - 0.2
            wait_until_streaming(40, seconds=10)
            assert simulator.connections()["high_water"] == 5


def test_r9_after_429_no_worker_opens_a_socket_and_open_ones_stay_open(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="three", simulator=simulator, FEED_CONNECTIONS="3", **SCALED):
            wait_until(lambda: states() == ["live"] * 3, seconds=START_SECONDS, message="three connections are live")
            simulator.set_fault("handshake_429", 1)

            with running_worker(tmp_path, name="two", simulator=simulator, FEED_CONNECTIONS="2", **SCALED):
                wait_until(
                    lambda: "the handshake was refused with 429" in errors(),
                    seconds=START_SECONDS,
                    message="the refusal is reported",
                )

                wait_without_opening(simulator, seconds=2)
                assert count_broker_sockets(simulator) == 3
                wait_until_streaming(40, seconds=15)
                assert count_opened_sockets(simulator) == 5
