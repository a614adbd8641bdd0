"""R7: the same silence while the market is closed is nothing: no socket is replaced for it.

Eight hours of it pass in tests/unit/subscriptions/domain/test_watchdog.py.
"""

from pathlib import Path

import pytest

from tests.faults.connections import close_all_day, losses, states, wait_for_silence
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

SCALED = {"MUTE_SECONDS": "1", "MUTE_QUIET_SECONDS": "2"}


def test_r7_a_closed_market_may_be_silent_for_as_long_as_it_likes(tmp_path: Path) -> None:
    with running_simulator(rate=2_000, ping_every=0.5) as simulator:
        close_all_day()
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator, **SCALED):
            wait_until_streaming(40)
            openings = count_opened_sockets(simulator)

            simulator.set_fault("mute")

            wait_for_silence(5)
            assert (states(), losses("mute")) == (["live"] * 5, 0)
            assert count_opened_sockets(simulator) == openings
