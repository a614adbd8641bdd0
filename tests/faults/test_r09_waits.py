"""R9: one connection that waits for a cooldown or for a token is carried by those that stream."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from subscriptions.models import FeedConnection
from tests.faults.connections import is_all_carried, list_sockets
from tests.integration.subscriptions.feed.feed_workers import (
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import running_simulator
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

COUNT = 40
GRACE_SECONDS = 1
# Promised in docs/operations.md.
FAILOVER_SECONDS = GRACE_SECONDS + 5.0


@pytest.mark.parametrize(
    "faults",
    [{"handshake_429": 1, "tcp_reset": 0}, {"disconnect_code": 807}, {"disconnect_code": 808}],
    ids=["cooldown", "token", "stopped"],
)
def test_r9_a_connection_that_waits_is_carried_while_the_others_stream(
    tmp_path: Path, faults: Mapping[str, float]
) -> None:
    with running_simulator(rate=2_000) as simulator:
        make_subscriptions(simulator, count=COUNT)
        with running_worker(tmp_path, name="feed", simulator=simulator, FAILOVER_GRACE_S=str(GRACE_SECONDS)):
            wait_until_streaming(COUNT)
            before = list_sockets(simulator)

            for name, dial in faults.items():
                simulator.set_fault(name, dial, connection=None if name.startswith("handshake") else 5)

            wait_until(
                lambda: FeedConnection.objects.filter(lost_since__isnull=False).exists(),
                seconds=8,
                message="the connection waits",
            )
            wait_until(
                lambda: is_all_carried(simulator),
                seconds=FAILOVER_SECONDS,
                message="the others carry all",
            )
            assert list_sockets(simulator) == before - {max(before)}
