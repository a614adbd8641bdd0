"""R1: an owner is killed; another takes its connections and streams each instrument exactly once."""

from pathlib import Path

import pytest

from tests.faults.connections import epochs
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
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

COUNT = 2_000


def test_r1_after_a_kill_exactly_the_wanted_set_streams_again(tmp_path: Path) -> None:
    with running_simulator(rate=10_000) as simulator:
        make_subscriptions(simulator, count=COUNT)
        with running_worker(tmp_path, name="first", simulator=simulator) as first:
            wait_until_streaming(COUNT)
            before = epochs()
            (owner,) = {one.owner for one in list_reports()}
            with running_worker(tmp_path, name="spare", simulator=simulator) as spare:
                wait_until(
                    lambda: b" ready." in spare.log.read_bytes(),
                    seconds=START_SECONDS,
                    message="the spare worker is ready",
                )

                first.kill()

                wait_until_streaming(COUNT, seconds=15, but_not=[owner])
                assert list_subscribed_keys(simulator) == list_wanted_keys()
                assert epochs() == {number: epoch + 1 for number, epoch in before.items()}
                assert simulator.connections()["high_water"] == 5
