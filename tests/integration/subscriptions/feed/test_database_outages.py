"""A task of the worker during an outage of PostgreSQL: the last plan stays, and reads continue afterwards."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from subscriptions import selectors
from subscriptions.feed.connection.life import ConnectionLifecycle
from subscriptions.feed.ownership.statements import Lease
from subscriptions.feed.plan.reconciler import Reconciler
from tests.integration.subscriptions.claim_factories import fill_with_shares
from tests.proxies import Proxy, running_proxy
from tests.waiting import wait_until_async

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]


@pytest.fixture
def database(transactional_db: None) -> Iterator[Proxy]:
    """Point Django at the suite's PostgreSQL through a proxy that the test cuts."""
    parameters = connections["default"].settings_dict
    direct = {"HOST": parameters["HOST"], "PORT": parameters["PORT"]}
    with running_proxy(int(parameters["PORT"])) as proxy:
        connections["default"].close()
        parameters |= {"HOST": "127.0.0.1", "PORT": str(proxy.port)}
        yield proxy
        connections["default"].close()
        parameters |= direct


def run_through_outage(
    work: Awaitable[object], database: Proxy, *, is_noticed: Callable[[], bool], is_done: Callable[[], bool]
) -> None:
    """Run `work` while the database is unreachable, bring the database back, and wait for the result."""

    async def run() -> None:
        # The thread of Django's calls is that of earlier tests: it may have a connection that the proxy cannot cut.
        await sync_to_async(connections.close_all)()
        task = asyncio.ensure_future(work)
        await wait_until_async(is_noticed, message="the outage is logged")
        database.restore()
        await wait_until_async(sync_to_async(is_done), message="the work is done after the outage")
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await sync_to_async(connections.close_all)()

    connections["default"].close()
    database.cut()
    asyncio.run(run())


def test_the_plan_is_kept_during_an_outage_and_read_again_afterwards(
    database: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    fill_with_shares(10)
    lifecycle = ConnectionLifecycle(Lease(1, 1))
    former = selectors.list_wanted(connection=1)
    lifecycle.replace_plan(former[:1])

    def is_noticed() -> bool:
        assert len(lifecycle.plan.wanted) == 1
        return "connection 1: wanted set unreadable" in caplog.text

    run_through_outage(
        Reconciler(lifecycle, pause_seconds=0).run(),
        database,
        is_noticed=is_noticed,
        is_done=lambda: list(lifecycle.plan.wanted.values()) == list(former),
    )
