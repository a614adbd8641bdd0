"""R29: lost sockets and browsers leave no descriptor and no thread behind; memory over hours: `make soak`."""

from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.browsers import watching_browser
from tests.faults.markets import COUNT, Market, running_market
from tests.integration.subscriptions.feed.feed_workers import count_opened_sockets, wait_until_streaming
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]

ROUNDS = 3
BROWSERS = 5


def lose_sockets_and_browsers(market: Market) -> None:
    """Reset the five sockets of the feed, and open and close browsers."""
    opened = count_opened_sockets(market.simulator)
    market.simulator.set_fault("tcp_reset", 0)
    for _ in range(BROWSERS):
        with watching_browser(market.web, market.cookie, market.watched):
            pass
    wait_until(
        lambda: count_opened_sockets(market.simulator) == opened + 5, seconds=20, message="five new sockets are open"
    )
    wait_until_streaming(COUNT, seconds=20)


def count_resources(processes: Sequence[psutil.Process]) -> list[int]:
    """Return the number of descriptors of each process, then that of threads."""
    return [one.num_fds() for one in processes] + [one.num_threads() for one in processes]


def test_r29_lost_sockets_and_browsers_leave_no_descriptor_and_no_thread(tmp_path: Path) -> None:
    with running_market(tmp_path) as market:
        processes = [psutil.Process(market.feed.process.pid), psutil.Process(market.web_pid)]
        lose_sockets_and_browsers(market)  # The first round fills pools of threads and connections.
        before = count_resources(processes)

        for _ in range(ROUNDS):
            lose_sockets_and_browsers(market)

        # Pools may still grow by some; one leaked for each lost socket or browser would be as many as these.
        lost = ROUNDS * BROWSERS
        wait_until(
            lambda: all(now - then < lost for now, then in zip(count_resources(processes), before, strict=True)),
            seconds=10,
            message=f"fewer than {lost} more descriptors and threads than after the first round",
        )
