"""R2: all owners are killed at once; their successors stream every instrument on its former connection."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from subscriptions.models import Subscription
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    is_streaming,
    list_reports,
    list_subscribed_keys,
    list_wanted_keys,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_promised, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board", "settled_database")]

COUNT = 2_000
BACK_SECONDS = 15.0


def test_r2_after_all_owners_are_killed_each_instrument_streams_on_its_former_connection(tmp_path: Path) -> None:
    with running_simulator(rate=10_000) as simulator, ExitStack() as stack:
        make_subscriptions(simulator, count=COUNT)
        before = dict(Subscription.objects.values_list("instrument_id", "connection_id"))
        workers = [
            stack.enter_context(
                running_worker(tmp_path, name=f"one-{number}", simulator=simulator, FEED_CONNECTIONS=str(limit))
            )
            for number, limit in enumerate([2, 2, 1])
        ]
        wait_until_streaming(COUNT)
        owners = sorted({one.owner for one in list_reports()})
        assert len(owners) == 3

        for worker in workers:
            worker.process.kill()
        with running_worker(tmp_path, name="next", simulator=simulator) as successor:
            wait_until(
                lambda: b" ready." in successor.log.read_bytes(), seconds=START_SECONDS, message="the worker is ready"
            )
            wait_promised(
                lambda: is_streaming(COUNT, but_not=owners), seconds=BACK_SECONDS, message="all instruments stream"
            )

            assert list_subscribed_keys(simulator) == list_wanted_keys()
            assert dict(Subscription.objects.values_list("instrument_id", "connection_id")) == before
            assert simulator.connections()["high_water"] == 5
