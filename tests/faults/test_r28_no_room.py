"""R28: no space for data or logs, no free file descriptor: the rest continues, /health reports the failing part, and no
data is damaged."""

import os
import resource
import signal
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from terminal.admission import TRY_AGAIN_LATER
from tests.browsers import watching_browser
from tests.factories import make_equities
from tests.faults.markets import COUNT, running_market
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    make_subscriptions,
    wait_until_streaming,
)
from tests.own_servers import OwnServers
from tests.waiting import wait_until
from watchlists.models import WatchlistEntry

ADD = "/api/v2/watchlist/add"
LIST = "/api/v2/watchlist/me"
# The fixed size of a WAL file.
FILE_BYTES = 16 * 1024 * 1024
DESCRIPTORS = 180


def fill_audit_table(servers: OwnServers) -> None:
    """Write audit rows until their table file has its largest allowed size."""
    with psycopg.connect(servers.database_url) as session:
        session.execute(
            "INSERT INTO subscription_log (at, action, reason, actor, tier, subject, legs, connections, counts)"
            " SELECT now(), 'SUBSCRIBE', 'test', 'test', '', repeat('x', 100), '{}', '{}', '{}'"
            " FROM generate_series(1, 200000)"
        )


def test_r28_on_a_full_disk_writes_are_refused_and_no_data_is_damaged(servers: OwnServers, tmp_path: Path) -> None:
    make_equities(2)
    with running_market(tmp_path) as market:
        assert market.ask(ADD, {"symbol": "STOCK0", "instrument_type": "EQUITY"}).status == 201
        openings = count_opened_sockets(market.simulator)

        connection.close()
        with servers.full_disk(bytes_per_file=FILE_BYTES):
            wait_until(lambda: market.ask(LIST).status == 200, seconds=5, message="reads succeed")
            with pytest.raises(psycopg.Error) as failure:
                fill_audit_table(servers)
            assert "File too large" in str(failure.value)
            refused = market.ask(ADD, {"symbol": "STOCK1", "instrument_type": "EQUITY"})
            listed = market.ask(LIST)
            connection.close()
            database = market.ask("/health").body["parts"]["database"]
            market.wait_for_ticks(seconds=5)

        assert (refused.status, refused.body["code"], refused.retry_after) == (503, "database_unavailable", "2")
        assert listed.status == 200
        assert (database["status"], "refused a write" in database["reason"]) == ("degraded", True)
        connection.close()
        assert WatchlistEntry.objects.count() == 1
        again = {"symbol": "STOCK1", "instrument_type": "EQUITY"}
        wait_until(
            lambda: market.ask(ADD, again).status == 201, seconds=5, message="a write succeeds once there is space"
        )
        assert count_opened_sockets(market.simulator) == openings


def test_r28_processes_without_space_for_logs_or_sockets_continue(servers: OwnServers, tmp_path: Path) -> None:
    with running_market(tmp_path) as market, ExitStack() as browser_stack:
        for pid, log in ((market.feed.process.pid, market.feed.log), (market.web_pid, tmp_path / "web.log")):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
        resource.prlimit(market.web_pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        most = market.ask("/health").body["parts"]["web"]["most_sockets"]

        browsers = [
            browser_stack.enter_context(watching_browser(market.web, market.cookie, market.watched[:1]))
            for _ in range(most + 5)
        ]

        wait_until(
            lambda: sum(one.close_code == TRY_AGAIN_LATER for one in browsers) == 6,
            seconds=10,
            message="six browsers are rejected",
        )
        wait_until(
            lambda: sum(bool(one.ticked_at) for one in browsers) == most - 1,
            seconds=10,
            message="the other browsers receive ticks",
        )
        web = market.ask("/health").body["parts"]["web"]
        assert (web["status"], web["sockets"]) == ("degraded", most)
        make_subscriptions(market.simulator, count=5, skip=COUNT)
        wait_until_streaming(COUNT + 5, seconds=10)
        market.wait_for_ticks(seconds=5)
        assert market.feed.process.poll() is None
        os.kill(market.web_pid, signal.SIGKILL)  # Otherwise each browser waits for an answer to its close.
