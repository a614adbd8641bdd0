"""R12: a plan that the broker refuses is not repeated; a close without a known reason is followed by a reconnect."""

from pathlib import Path

import pytest

from marketdata import quote_board
from subscriptions.domain.backoff import backoff_seconds
from subscriptions.models import Subscription
from tests.faults.connections import errors, states, wait_for_disconnects, wait_without_opening
from tests.integration.subscriptions.feed.feed_workers import (
    list_reports,
    list_subscribed_keys,
    list_wanted_keys,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]


def test_r12_a_close_without_a_known_reason_is_followed_by_a_reconnect(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator):
            wait_until_streaming(40)

            # The last one first: a closed socket gives its number to the next one.
            simulator.set_fault("tcp_reset", 0, connection=3)
            simulator.set_fault("close_without_frame", 0, connection=2)
            simulator.set_fault("disconnect_code", 899, connection=1)

            wait_for_disconnects("network", 2)
            wait_for_disconnects("broker", 1)
            wait_until_streaming(40, seconds=10)
            assert simulator.connections()["high_water"] == 5


def test_r12_a_plan_that_is_too_large_is_not_retried_until_it_is_smaller(tmp_path: Path) -> None:
    with running_simulator(rate=2_000) as simulator:
        make_subscriptions(simulator, count=40)
        with running_worker(tmp_path, name="feed", simulator=simulator):
            wait_until_streaming(40)

            simulator.set_fault("disconnect_code", 804, connection=1)

            wait_until(
                lambda: sorted(states()) == ["live"] * 4 + ["stopped"], seconds=5, message="one connection is stopped"
            )
            assert "804: more instruments than a connection may hold" in errors()
            wait_without_opening(simulator, seconds=3)
            (stopped,) = [one.connection for one in list_reports() if one.state == "stopped"]
            Subscription.objects.filter(pk=Subscription.objects.filter(connection_id=stopped)[0].pk).delete()
            quote_board.connect().nudge()
            wait_until_streaming(39, seconds=10)
            assert list_subscribed_keys(simulator) == list_wanted_keys()


@pytest.mark.parametrize(("attempt", "longest"), [(1, 2.0), (2, 4.0), (5, 32.0), (6, 60.0), (7, 60.0), (1_000, 60.0)])
def test_r12_each_wait_is_random_between_one_second_and_twice_the_former_limit_up_to_sixty(
    attempt: int, longest: float
) -> None:
    waits = [backoff_seconds(attempt=attempt, chance=chance) for chance in (0.0, 0.5, 1.0)]

    assert waits == [1.0, (1.0 + longest) / 2, longest]
