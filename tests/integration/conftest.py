"""Fixtures of all tests with a database: the rows that migrations seed, and a quote board per test.

A transactional test ends with a flush, which deletes the seeded rows too; the next test seeds them again.
The trigger that refuses to truncate the audit log is disabled here; the tests of the audit log enable it.
"""

from collections.abc import Iterator
from typing import cast

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython
from django.db.migrations.state import StateApps
from pytest_django import DjangoDbBlocker, Settings

OUR_APPS = ("accounts", "marketdata", "subscriptions", "watchlists")


@pytest.fixture(scope="session")
def django_db_setup(suite_servers: None, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Disable the trigger that refuses to truncate the audit log; end all other database sessions on teardown."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE subscription_log DISABLE TRIGGER subscription_log_refuses_truncate")
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # The server may not have noticed yet that some processes were killed; their sessions block DROP DATABASE.
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """Seed the rows of the migrations in every test with a database."""
    wants_database = request.node.get_closest_marker("django_db") is not None
    if not wants_database and not {"db", "transactional_db"} & set(request.fixturenames):
        return
    request.getfixturevalue("_django_db_helper")
    if not apps.get_model("subscriptions", "FeedConnection").objects.exists():
        _seed()


def _seed() -> None:
    loader = MigrationLoader(connection)
    seeds = [
        operation
        for key in loader.graph.leaf_nodes()
        if key[0] in OUR_APPS
        for node in loader.graph.forwards_plan(key)
        if node[0] == key[0]
        for operation in loader.get_migration(*node).operations
        if isinstance(operation, RunPython)
    ]
    with connection.schema_editor() as editor:
        for seed in seeds:
            seed.code(cast("StateApps", apps), editor)


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Use a fast password hash: the strength of the hash is tested by Django."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def own_board(settings: Settings, redis_prefix: str) -> str:
    """Point the quote board at keys that only this test uses; return their prefix."""
    settings.REDIS_PREFIX = redis_prefix
    return redis_prefix
