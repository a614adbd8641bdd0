"""R19: PostgreSQL hangs, is slow or full: prices continue, the API refuses promptly, and no queue grows."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from tests.faults.markets import Answer, Market, running_market
from tests.integration.subscriptions.feed.feed_workers import count_opened_sockets
from tests.own_servers import OwnServers
from tests.proxies import running_proxy
from tests.waiting import wait_until

LIST = "/api/v2/watchlist/me"
THREADS = 8
PAUSE_SECONDS = 0.1
ANSWER_SECONDS = 2.0
# Scaled; the web process waits 4 s for an answer of the database and has 20 connections.
BOUNDED = {"DATABASE_PATIENCE_MS": "500", "DATABASE_CONNECTIONS": "4"}
DELAY_SECONDS = 1.0
"""Of each message to and from PostgreSQL: an answer takes twice as long, which is longer than the web process waits."""


def send_concurrent_requests(market: Market, *, seconds: float) -> Sequence[Sequence[Answer]]:
    """Send requests from many threads for `seconds`; return the answers of each thread."""
    over_at = time.monotonic() + seconds

    def repeat_requests(_number: int) -> list[Answer]:
        answers, pause = [], threading.Event()
        while time.monotonic() < over_at:
            answers.append(market.ask(LIST))
            pause.wait(PAUSE_SECONDS)
        return answers

    with ThreadPoolExecutor(THREADS) as executor:
        return list(executor.map(repeat_requests, range(THREADS)))


def assert_prompt_refusals(market: Market) -> None:
    """Assert that every concurrent request is refused soon and with Retry-After, while ticks continue."""
    began_at = time.monotonic()
    of_threads = send_concurrent_requests(market, seconds=3.0)
    answers = [answer for one in of_threads for answer in one]
    refusals = {(one.status, one.body.get("code"), one.retry_after) for one in answers}
    assert refusals == {(503, "database_unavailable", "2")}
    # The first of a thread is under way before the process knows that the database does not answer. Of the others nine
    # of ten: on a busy machine single requests wait for CPU time.
    later = sorted(answer.seconds for one in of_threads for answer in one[1:])
    assert later[len(later) * 9 // 10] <= ANSWER_SECONDS
    assert market.browser.longest_gap(began_at) <= 3.0


def wait_for_answers(market: Market) -> None:
    wait_until(
        lambda: market.ask(LIST).status == 200, seconds=5, message="the API answers after the database has recovered"
    )


def test_r19_a_hung_slow_or_full_database_costs_requests_and_no_tick(servers: OwnServers, tmp_path: Path) -> None:
    with running_proxy(servers.postgres.port) as proxy:
        through_proxy = servers.database_url.replace(f":{servers.postgres.port}/", f":{proxy.port}/")
        with running_market(tmp_path, web_variables=BOUNDED | {"DATABASE_URL": through_proxy}) as market:
            openings = count_opened_sockets(market.simulator)
            connection.close()

            with servers.frozen_postgres():
                assert_prompt_refusals(market)
            wait_for_answers(market)

            proxy.slow_down(DELAY_SECONDS)
            assert_prompt_refusals(market)
            proxy.slow_down(0)
            wait_for_answers(market)

            with psycopg.connect(servers.database_url) as hog:
                hog.execute("LOCK TABLE watchlist")
                assert_prompt_refusals(market)
                # Sessions of the web process, of the feed worker and of this test.
                assert count_database_sessions(hog) <= int(BOUNDED["DATABASE_CONNECTIONS"]) + 4
            wait_for_answers(market)

            assert count_opened_sockets(market.simulator) == openings
            assert market.browser.close_code is None


def count_database_sessions(asker: psycopg.Connection[Any]) -> int:
    cursor = asker.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'broking-terminal'")
    (count,) = cursor.fetchone() or (0,)
    return int(count)
