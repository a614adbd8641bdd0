"""/health and /ready of a running market while the feed worker, PostgreSQL or Redis is frozen."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.markets import Answer, Market, running_market
from tests.own_servers import OwnServers
from tests.waiting import promised_seconds, wait_until

SHOWN_WITHIN_SECONDS = 2.0
"""docs/operations.md, Health: how fast a frozen feed shows, and how long an answer takes at most."""


def wait_for_feed(market: Market, status: str, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> float:
    """Wait until /health shows this status of the feed; return when, by `clock`, the first such request was sent."""
    asked_at = 0.0

    def has_status() -> bool:
        nonlocal asked_at
        asked_at = clock()
        return bool(market.ask("/health").body["parts"]["feed"]["status"] == status)

    wait_until(has_status, seconds=seconds, message=f"/health shows the feed as {status}")
    return asked_at


def wait_for_database_and_feed(market: Market) -> None:
    wait_until(
        lambda: statuses(market.ask("/health"))[2:] == ("ok", "ok"),
        seconds=30,
        message="/health shows the database and the feed as ok",
    )


def statuses(answer: Answer) -> tuple[int, str, str, str]:
    """Return the HTTP status, that of all parts, and those of database and feed."""
    parts = answer.body["parts"]
    return answer.status, answer.body["status"], parts["database"]["status"], parts["feed"]["status"]


def test_health_shows_a_frozen_feed_worker_database_or_redis_within_two_seconds(
    servers: OwnServers, tmp_path: Path
) -> None:
    with running_market(tmp_path) as market:
        wait_for_feed(market, "ok", seconds=10)
        assert market.ask("/ready").status == 200

        assert_frozen_database_degrades_health_while_prices_flow(market, servers)
        assert_frozen_redis_fails_health_and_leaves_the_process_ready(market, servers)
        assert_frozen_feed_worker_shows(market, servers)


def assert_frozen_database_degrades_health_while_prices_flow(market: Market, servers: OwnServers) -> None:
    with servers.frozen_postgres():
        answers = [market.ask_promised("/health") for _ in range(3)]
        ready = market.ask_promised("/ready")
        market.wait_for_ticks(seconds=5)

    assert {statuses(one) for one in answers} == {(200, "degraded", "degraded", "ok")}
    assert max(one.seconds for one in answers) <= SHOWN_WITHIN_SECONDS
    reason = answers[0].body["parts"]["database"]["reason"]
    assert reason.endswith("prices continue, but nothing can be added or removed")
    assert (ready.status, ready.seconds < 1) == (200, True)
    wait_for_database_and_feed(market)


def assert_frozen_redis_fails_health_and_leaves_the_process_ready(market: Market, servers: OwnServers) -> None:
    with servers.frozen_redis():
        answers = [market.ask_promised("/health") for _ in range(3)]
        ready = market.ask_promised("/ready")

    assert {statuses(one) for one in answers} == {(503, "failing", "ok", "failing")}
    assert max(one.seconds for one in answers) <= SHOWN_WITHIN_SECONDS
    assert (ready.status, ready.seconds < 1) == (200, True)
    wait_for_database_and_feed(market)


def assert_frozen_feed_worker_shows(market: Market, servers: OwnServers) -> None:
    market.feed.process.send_signal(signal.SIGSTOP)
    with promised_seconds() as counted:
        shown_after = wait_for_feed(market, "failing", seconds=10, clock=lambda: counted.seconds)
    reason = market.ask("/health").body["parts"]["feed"]["reason"]
    with servers.frozen_postgres():
        without_database = market.ask("/health")
    market.feed.process.send_signal(signal.SIGCONT)

    assert shown_after <= SHOWN_WITHIN_SECONDS
    assert "frozen, or cut off" in reason
    assert statuses(without_database)[:2] == (503, "failing")
    assert market.ask("/ready").status == 200
    wait_for_feed(market, "ok", seconds=30)
