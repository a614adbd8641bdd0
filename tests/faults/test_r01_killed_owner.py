"""R1: an owner is killed; another takes its connections and streams each instrument exactly once."""

from pathlib import Path

import pytest

from tests.faults.connections import epochs
from tests.faults.markets import COUNT as FEW
from tests.faults.markets import running_market
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
OWNER_SECONDS, TICK_SECONDS, STALE_SECONDS = 4.0, 5.0, 2.0


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

                taken = {number: epoch + 1 for number, epoch in before.items()}
                took = wait_promised(
                    lambda: epochs() == taken, seconds=OWNER_SECONDS, message="each connection has a new owner"
                )
                wait_promised(
                    lambda: is_streaming(COUNT, but_not=[owner]),
                    seconds=TICK_SECONDS - took,
                    message="all instruments stream again",
                )
                assert list_subscribed_keys(simulator) == list_wanted_keys()
                assert epochs() == taken
                assert simulator.connections()["high_water"] == 5


def test_r1_a_browser_keeps_its_socket_and_shows_soon_that_prices_are_stale(tmp_path: Path) -> None:
    with running_market(tmp_path) as market:
        market.feed.kill()

        wait_promised(
            lambda: market.browser.feed.get("state") not in {"live", "partial"},
            seconds=STALE_SECONDS,
            message="the browser shows that no connection is live",
        )

        with running_worker(tmp_path, name="next", simulator=market.simulator):
            wait_until_streaming(FEW)
            market.wait_for_ticks(seconds=TICK_SECONDS)
            assert market.browser.close_code is None
