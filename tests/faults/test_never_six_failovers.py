"""The broker never sees a sixth socket: five real failovers in a row, counted by the broker."""

from pathlib import Path

import pytest

from tests.faults.failovers import MOST_SOCKETS, PONG_WITHIN, Kind, running_relay
from tests.integration.subscriptions.feed.feed_workers import make_subscriptions
from tests.simulators import running_simulator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board", "settled_database")]

COUNT = 40


def test_never_six_sockets_over_five_real_failovers(tmp_path: Path) -> None:
    with running_simulator(rate=2_000, ping_every=0.5, pong_within=PONG_WITHIN) as simulator:
        make_subscriptions(simulator, count=COUNT)
        with running_relay(tmp_path, simulator=simulator, count=COUNT) as relay:
            for kind in (Kind.FREEZE_AND_CUT, Kind.NAP, Kind.CUT, Kind.KILL, Kind.STOP):
                relay.fail_over(kind)

        assert simulator.connections()["high_water"] == MOST_SOCKETS
