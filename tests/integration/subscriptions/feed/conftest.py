"""Fixtures of the feed's tests: a simulator, database sessions of owners, a server past its start-up period."""

from collections.abc import Iterator

import pytest
from django.db import connection, connections

from subscriptions.feed.ownership.statements import (
    FORMER_OWNERS_FIRST_SECONDS,
    STARTED,
    LeaseStatements,
    connection_parameters,
)
from tests.integration.subscriptions.feed.lease_sessions import OpenSession
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorAddress]:
    with running_simulator(rate=2_000) as address:
        yield address


@pytest.fixture
def open_session() -> Iterator[OpenSession]:
    """Yield a function that opens a database session of a named owner; all are closed on teardown."""
    opened: list[LeaseStatements] = []

    def open_one(owner: str) -> LeaseStatements:
        session = LeaseStatements(connection_parameters(connections["default"].settings_dict), owner)
        opened.append(session)
        return session

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def settled_database(transactional_db: None) -> None:
    """Wait for the end of the server's start-up period, in which only former owners may take a connection."""

    def is_settled() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT extract(epoch FROM now() - {STARTED})")  # noqa: S608  The text is a constant.
            return bool(cursor.fetchone()[0] > FORMER_OWNERS_FIRST_SECONDS)

    wait_until(is_settled, seconds=FORMER_OWNERS_FIRST_SECONDS + 5, message="the database is past its first seconds")
