"""R3: an owner freezes and is replaced; after it wakes it publishes nothing and opens no sixth socket."""

import os
import signal
from pathlib import Path

import pytest

from marketdata import quote_board
from subscriptions.models import FeedLease
from tests.faults.connections import epochs, states
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_broker_sockets,
    list_reports,
    list_subscribed_keys,
    list_wanted_keys,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board", "settled_database")]

# Scaled: the broker drops a silent client after 40 s, and an owner is replaced 45 s after its lease expired.
SCALED = {"FROZEN_OWNER_S": "4", "FAILOVER_GRACE_S": "60"}


def test_r3_a_frozen_owner_is_replaced_and_detects_it_when_it_wakes(tmp_path: Path) -> None:
    with running_simulator(rate=2_000, ping_every=0.5, pong_within=4) as simulator:
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="four", simulator=simulator, FEED_CONNECTIONS="4", **SCALED):
            wait_until(lambda: states() == ["live"] * 4, seconds=START_SECONDS, message="four connections are live")
            with running_worker(tmp_path, name="one", simulator=simulator, FEED_CONNECTIONS="1", **SCALED) as one:
                wait_until_streaming(40)
                before = epochs()
                frozen = FeedLease.objects.get(connection_id=5)
                os.kill(one.process.pid, signal.SIGSTOP)
                with running_worker(tmp_path, name="spare", simulator=simulator, FEED_CONNECTIONS="1", **SCALED):
                    wait_until(
                        lambda: epochs()[5] == before[5] + 1,
                        seconds=START_SECONDS,
                        message="connection 5 is taken over",
                    )
                    wait_until_streaming(40, seconds=15, but_not=[frozen.owner])

                    os.kill(one.process.pid, signal.SIGCONT)
                    wait_until(
                        lambda: b"lease lost" in one.log.read_bytes(),
                        seconds=10,
                        message="the former owner logs the lost lease",
                    )

                    wait_until_streaming(40, seconds=10, but_not=[frozen.owner])
                    assert count_broker_sockets(simulator) == 5
                    assert simulator.connections()["high_water"] == 5
                    assert list_subscribed_keys(simulator) == list_wanted_keys()
                    assert {report.connection: report.epoch for report in list_reports()} == epochs()
                    sent = [key for keys in quote_board.connect().list_sent().values() for key in keys]
                    assert len(sent) == len(set(sent)) == 40
