"""R15: Redis is killed for a while and comes back empty: everything finds its way back, and no subscription moves."""

import threading
import time
from pathlib import Path

from marketdata import quote_board
from terminal.worker_steps import EXIT_NOT_CONSUMING
from tests.factories import make_equities
from tests.faults.markets import COUNT, placement, running_market
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    Worker,
    count_opened_sockets,
    running_worker,
    wait_until_streaming,
)
from tests.own_servers import OwnServers
from tests.simulators import running_simulator
from tests.waiting import wait_until

AWAY_SECONDS = 2.0
TASK = "subscriptions.tasks.make_log_months"
DONE = b"succeeded in"


def is_ready(worker: Worker) -> bool:
    return b" ready." in worker.log.read_bytes()


def wait_until_consuming(worker: Worker, servers: OwnServers, *, seconds: float) -> None:
    """Give the worker something to do until it has done some of it."""
    sender = servers.celery()
    done = worker.log.read_bytes().count(DONE)

    def consumes() -> bool:
        sender.send_task(TASK, queue="default", retry=False)
        return worker.log.read_bytes().count(DONE) > done

    wait_until(consumes, seconds=seconds, message="a task is consumed")


def test_r15_a_redis_that_comes_back_empty_is_filled_again_and_moves_nothing(
    servers: OwnServers, tmp_path: Path
) -> None:
    make_equities(1)
    with (
        running_market(tmp_path) as market,
        running_worker(tmp_path, name="work", simulator=market.simulator, queue="default") as work,
    ):
        wait_until(lambda: is_ready(work), seconds=START_SECONDS, message="the work worker is ready")
        before, openings = placement(), count_opened_sockets(market.simulator)

        servers.kill_redis()
        wait_until(lambda: market.browser.feed.get("state") != "live", seconds=5, message="the browser is told")
        threading.Event().wait(AWAY_SECONDS)
        servers.start_redis()
        back_at = time.monotonic()

        market.wait_for_ticks(seconds=5)
        wait_until(
            lambda: market.browser.has_seen_since(back_at) == set(market.watched), seconds=5, message="all prices"
        )
        wait_until_streaming(COUNT, seconds=5)
        wait_until_consuming(work, servers, seconds=15)
        ids = market.watched
        wait_until(lambda: len(quote_board.connect().read_cached(ids)) == COUNT, seconds=5, message="all rows kept")
        assert placement() == before
        # Notices, which come by the channel layer, are heard again too.
        added = market.ask("/api/v2/watchlist/add", {"symbol": "STOCK0", "instrument_type": "EQUITY"})
        assert added.status == 201
        wait_until(lambda: market.browser.has_heard("watchlist_changed"), seconds=5, message="a notice")
        assert count_opened_sockets(market.simulator) == openings
        assert market.browser.close_code is None
        assert work.process.poll() is None


def test_r15_a_worker_that_is_connected_and_hears_nothing_ends(servers: OwnServers, tmp_path: Path) -> None:
    with (
        running_simulator() as simulator,
        running_worker(tmp_path, name="work", simulator=simulator, queue="default", SILENCE_SECONDS="2") as work,
    ):
        wait_until(lambda: is_ready(work), seconds=START_SECONDS, message="the work worker is ready")
        wait_until_consuming(work, servers, seconds=10)

        # Connected, heart beating, and nothing is taken any more: what a reconnected worker has been seen to do.
        control = servers.celery().control
        ((name, queues),) = (control.inspect(timeout=5).active_queues() or {}).items()
        for queue in queues:
            control.cancel_consumer(queue["name"], destination=[name])

        assert work.process.wait(15) == EXIT_NOT_CONSUMING
        assert b"nothing has come through the broker" in work.log.read_bytes()
