"""R7: missing data while the market is closed is normal: no socket is replaced for it.

The case of eight hours is in tests/unit/subscriptions/domain/test_watchdog.py.
"""

from pathlib import Path

import pytest

from tests.faults.connections import close_all_day, count_disconnects, states, wait_for_silence
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

# Longer than the evidence of a session lasts after the last packet (`other_trades`).
SCALED = {"MUTE_SECONDS": "5", "MUTE_QUIET_SECONDS": "6"}


def test_r7_no_socket_is_replaced_for_missing_data_while_the_market_is_closed(tmp_path: Path) -> None:
    with running_simulator(rate=2_000, ping_every=0.5) as simulator:
        close_all_day()
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator, **SCALED):
            wait_until_streaming(40)
            openings = count_opened_sockets(simulator)

            simulator.set_fault("mute")

            wait_for_silence(8)
            assert (states(), count_disconnects("mute")) == (["live"] * 5, 0)
            assert count_opened_sockets(simulator) == openings
