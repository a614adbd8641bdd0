"""R15: Redis is killed and restarts empty: all processes recover, and no subscription moves."""

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
from tests.waiting import wait_promised, wait_until

AWAY_SECONDS = 2.0
FRAME_SECONDS, CONSUME_SECONDS = 3.0, 15.0
TASK = "subscriptions.tasks.make_log_months"
DONE = b"succeeded in"


def is_ready(worker: Worker) -> bool:
    return b" ready." in worker.log.read_bytes()


def wait_until_consuming(worker: Worker, servers: OwnServers, *, seconds: float) -> None:
    """Send tasks to the worker until it has consumed one."""
    sender = servers.celery()
    done = worker.log.read_bytes().count(DONE)

    def consumes() -> bool:
        sender.send_task(TASK, queue="default", retry=False)
        return worker.log.read_bytes().count(DONE) > done

    wait_until(consumes, seconds=seconds, message="a task is consumed")


def test_r15_after_redis_restarts_empty_its_contents_return_and_no_subscription_moves(
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
        wait_until(
            lambda: market.browser.feed.get("state") != "live",
            seconds=5,
            message="the browser shows that the feed is not live",
        )
        threading.Event().wait(AWAY_SECONDS)
        servers.start_redis()
        back_at = time.monotonic()

        wait_promised(
            lambda: market.browser.list_updated_since(back_at) == set(market.watched),
            seconds=FRAME_SECONDS,
            message="the browser has all prices",
        )
        wait_until_streaming(COUNT, seconds=5)
        wait_until_consuming(work, servers, seconds=CONSUME_SECONDS)
        ids = market.watched
        wait_until(
            lambda: len(quote_board.connect().read_cached(ids)) == COUNT, seconds=5, message="all rows are cached"
        )
        assert placement() == before
        # Notices over the channel layer arrive again too.
        added = market.ask("/api/v2/watchlist/add", {"symbol": "STOCK0", "instrument_type": "EQUITY"})
        assert added.status == 201
        wait_until(lambda: market.browser.has_received("watchlist_changed"), seconds=5, message="a notice arrives")
        assert count_opened_sockets(market.simulator) == openings
        assert market.browser.close_code is None
        assert work.process.poll() is None


def test_r15_a_connected_worker_that_consumes_nothing_exits(servers: OwnServers, tmp_path: Path) -> None:
    with (
        running_simulator() as simulator,
        running_worker(tmp_path, name="work", simulator=simulator, queue="default", SILENCE_SECONDS="2") as work,
    ):
        wait_until(lambda: is_ready(work), seconds=START_SECONDS, message="the work worker is ready")
        wait_until_consuming(work, servers, seconds=10)

        # Connected, with heartbeats, but without consuming: observed on a worker after a reconnect.
        control = servers.celery().control
        ((name, queues),) = (control.inspect(timeout=5).active_queues() or {}).items()
        for queue in queues:
            control.cancel_consumer(queue["name"], destination=[name])

        assert work.process.wait(CONSUME_SECONDS) == EXIT_NOT_CONSUMING
        assert b"no probe task returned" in work.log.read_bytes()
