"""R18: PostgreSQL is restarted under a running market: prices continue, and failed writes carry Retry-After."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
from django.db import connection, connections

from devstack.postgres import is_ready as is_postgres_ready
from subscriptions.domain.ownership import LeaseState
from subscriptions.feed.ownership.statements import Lease, LeaseStatements, connection_parameters
from subscriptions.models import Claim
from tests.factories import make_equities
from tests.faults.markets import Answer, Market, running_market
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    list_subscribed_keys,
    list_wanted_keys,
)
from tests.integration.subscriptions.feed.lease_sessions import take
from tests.own_servers import OwnServers
from tests.waiting import wait_until
from watchlists.models import WatchlistEntry

ADD = "/api/v2/watchlist/add"
AWAY_SECONDS = 1.5
GAP_SECONDS, REFUSAL_SECONDS, RETURN_SECONDS = 1.0, 2.0, 5.0


def write_until(market: Market, over: threading.Event) -> list[tuple[float, Answer]]:
    """Add one share after another until `over` is set; return the time and content of each answer."""
    answers = []
    for number in range(10_000):
        if over.is_set():
            break
        answer = market.ask(ADD, {"symbol": f"STOCK{number}", "instrument_type": "EQUITY"})
        answers.append((time.monotonic(), answer))
    return answers


def loads_are_as_counted() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM feed_connections AS one WHERE load <> (SELECT count(*) FROM subscriptions"
            " WHERE connection_id = one.number OR leaving_connection_id = one.number)"
        )
        return bool(cursor.fetchone()[0] == 0)


def test_r18_after_a_crash_of_a_database_process_only_former_owners_may_take_their_leases_at_first(
    servers: OwnServers,
) -> None:
    parameters = connection_parameters(connections["default"].settings_dict)
    former = LeaseStatements(parameters, "former")
    assert take(former, 1) == Lease(1, 1)
    with psycopg.connect(**parameters) as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        wait_until(lambda: not is_reachable(former), seconds=5, message="all database sessions have ended")
    wait_until(
        lambda: is_postgres_ready(servers.postgres, servers.postgres_child), seconds=20, message="PostgreSQL is ready"
    )

    another = LeaseStatements(parameters, "another")

    (seen,) = another.list_unowned(frozenset(Lease(number, 0) for number in range(2, 6)), frozen_seconds=45)
    assert (seen.owner, seen.state) == ("former", LeaseState.UNPROVEN)
    assert take(another, 1) is None
    another.close()
    again = LeaseStatements(parameters, "former")
    assert take(again, 1) == Lease(1, 2)
    again.close()


def is_reachable(session: LeaseStatements) -> bool:
    try:
        session.read_cooldown()
    except psycopg.OperationalError:
        return False
    return True


def test_r18_a_database_restart_stops_no_tick_and_leaves_no_partial_write(servers: OwnServers, tmp_path: Path) -> None:
    make_equities(2_000)
    with running_market(tmp_path) as market, ThreadPoolExecutor() as pool:
        openings, over = count_opened_sockets(market.simulator), threading.Event()
        writing = pool.submit(write_until, market, over)
        wait_until(lambda: WatchlistEntry.objects.count() > 2, seconds=10, message="writes have succeeded")

        began_at = time.monotonic()
        back_at = [restart(servers, how, over) for how in (signal.SIGINT, signal.SIGQUIT)]
        over.set()

        answers = writing.result()
        assert market.browser.longest_gap(began_at) <= GAP_SECONDS
        refused = [answer for _, answer in answers if answer.status != 201]
        assert {(one.status, one.body["code"], one.retry_after) for one in refused} == {
            (503, "database_unavailable", "2")
        }
        assert max(one.seconds for one in refused) <= REFUSAL_SECONDS
        for back in back_at:
            assert min(at for at, answer in answers if answer.status == 201 and at > back) - back <= RETURN_SECONDS
        assert WatchlistEntry.objects.count() >= sum(answer.status == 201 for _, answer in answers)
        assert not WatchlistEntry.objects.filter(claim=None).exists()
        assert not Claim.objects.filter(legs=None).exists()
        assert loads_are_as_counted()
        wait_until(
            lambda: list_subscribed_keys(market.simulator) == list_wanted_keys(),
            seconds=10,
            message="the broker's subscriptions equal the wanted set",
        )
        assert count_opened_sockets(market.simulator) == openings
        assert market.browser.close_code is None
        market.browser.watch("again", market.watched[:1])
        wait_until(
            lambda: bool(market.browser.answers("again")), seconds=5, message="a watch on an old socket is answered"
        )


def restart(servers: OwnServers, how: signal.Signals, pause: threading.Event) -> float:
    """Stop PostgreSQL, start it after AWAY_SECONDS; return the time of its return, after the first write."""
    connection.close()
    servers.stop_postgres(how)
    pause.wait(AWAY_SECONDS)
    servers.start_postgres()
    back_at, done = time.monotonic(), WatchlistEntry.objects.count()
    wait_until(lambda: WatchlistEntry.objects.count() > done, seconds=5, message="a write succeeds after the restart")
    return back_at
