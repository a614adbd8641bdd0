"""What tests with a database may ask for: the rows that migrations seed, and a quote board of their own.

A transactional test ends with a flush, which also takes what migrations seeded; whoever comes next finds it
seeded again. The audit log refuses to be truncated, in the test database only its own tests see that.
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
    """Let the flush of transactional tests truncate the audit log; at the end nobody holds on to the database."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE subscription_log DISABLE TRIGGER subscription_log_refuses_truncate")
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # Sessions of processes that were killed a moment ago, which the server has not noticed yet.
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """Give every test with a database what the migrations seeded."""
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
    """Hash passwords in no time: the slow hash is Django's promise, not ours."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def own_board(settings: Settings, redis_prefix: str) -> str:
    """Point the quote board at keys that only this test uses; return their prefix."""
    settings.REDIS_PREFIX = redis_prefix
    return redis_prefix
