"""Database errors in the tasks of a feed worker: each task logs them, keeps its state and continues."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, connections

from subscriptions.feed.connection.life import ConnectionLifecycle
from subscriptions.feed.connection.monitor import refresh_sessions_on_beat
from subscriptions.feed.ownership.statements import Lease
from subscriptions.feed.plan.failover import FailoverMonitor
from subscriptions.feed.plan.reconciler import Reconciler
from subscriptions.feed.threads import run_in_thread
from tests.integration.subscriptions.feed.broken_tables import missing_table
from tests.waiting import wait_until_async

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def logs(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "subscriptions.feed")
    return caplog


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a task during the block; fail if it ended before the end of the block."""
    task = asyncio.create_task(work)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await sync_to_async(connections.close_all)()


def test_a_database_error_closes_the_connections_of_the_thread() -> None:
    def fail() -> None:
        connection.ensure_connection()
        raise OperationalError("away")

    def open_again() -> bool:
        connection.ensure_connection()  # The proxy resolves to the connection of the calling thread.
        return connection.is_usable()

    async def read_states() -> tuple[bool, bool]:
        with suppress(OperationalError):
            await run_in_thread(fail)
        is_closed = await run_in_thread(lambda: connection.connection is None)
        is_open_again = await run_in_thread(open_again)
        await run_in_thread(connections.close_all)
        return is_closed, is_open_again

    assert asyncio.run(read_states()) == (True, True)


def test_the_plan_is_kept_and_the_wanted_set_read_again_after_a_database_error(logs: pytest.LogCaptureFixture) -> None:
    lifecycle = ConnectionLifecycle(Lease(1, 1))

    async def scenario() -> None:
        with ExitStack() as faults:
            faults.enter_context(missing_table("subscriptions"))
            async with running(Reconciler(lifecycle, pause_seconds=0).run()):
                await wait_until_async(lambda: "wanted set unreadable" in logs.text, message="the error is logged")
                assert not lifecycle.plan.is_fulfilled
                faults.close()
                await wait_until_async(lambda: lifecycle.plan.is_fulfilled, message="the wanted set is read")

    asyncio.run(scenario())


def test_a_failed_failover_check_moves_nothing_and_is_repeated(logs: pytest.LogCaptureFixture) -> None:
    def count() -> int:
        return logs.text.count("failover check failed (ProgrammingError)")

    async def scenario() -> None:
        async with running(FailoverMonitor(grace_seconds=5).run()):
            with missing_table("feed_connections"):
                await wait_until_async(lambda: count() >= 2, message="two checks have failed")

    asyncio.run(scenario())


def test_the_calendar_is_read_again_after_a_database_error(logs: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OperationalError("away")

    async def scenario() -> None:
        async with running(refresh_sessions_on_beat(fail)):
            await wait_until_async(lambda: "market calendar unreadable" in logs.text, message="the error is logged")

    asyncio.run(scenario())
