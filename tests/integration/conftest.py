"""Fixtures of all tests with a database: the rows that migrations seed, and a quote board per test.

A transactional test ends with a flush, which deletes the seeded rows too; the next test copies them back.
The trigger that refuses to truncate the audit log is disabled here; the tests of the audit log enable it.
"""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from pytest_django import DjangoDbBlocker, Settings

SEEDS = "seeds"
"""The schema with a copy of each table that contains rows after the migrations."""
REFILLED_BY_DJANGO = ("django_content_type", "auth_permission")
"""A flush fills these tables again."""


@pytest.fixture(scope="session")
def django_db_setup(suite_servers: None, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Disable the trigger that refuses to truncate the audit log; end all other database sessions on teardown."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE subscription_log DISABLE TRIGGER subscription_log_refuses_truncate")
        _save_seeds(cursor)
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # The server may not have noticed yet that some processes were killed; their sessions block DROP DATABASE.
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """Restore the rows that the migrations seed in every test with a database."""
    wants_database = request.node.get_closest_marker("django_db") is not None
    if not wants_database and not {"db", "transactional_db"} & set(request.fixturenames):
        return
    request.getfixturevalue("_django_db_helper")
    if not apps.get_model("subscriptions", "FeedConnection").objects.exists():
        with transaction.atomic(), connection.cursor() as cursor:  # Foreign keys are checked at its end.
            for table in _list_tables(cursor, SEEDS):
                cursor.execute(f"INSERT INTO {table} TABLE {SEEDS}.{table}")


def _save_seeds(cursor: CursorWrapper) -> None:
    cursor.execute(f"CREATE SCHEMA {SEEDS}")
    for table in set(connection.introspection.django_table_names(only_existing=True)) - set(REFILLED_BY_DJANGO):
        cursor.execute(f"SELECT EXISTS (TABLE {table})")
        if cursor.fetchone()[0]:
            cursor.execute(f"CREATE TABLE {SEEDS}.{table} AS TABLE {table}")


def _list_tables(cursor: CursorWrapper, schema: str) -> list[str]:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema])
    return [name for (name,) in cursor.fetchall()]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Use a fast password hash: the strength of the hash is tested by Django."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def own_board(settings: Settings, redis_prefix: str) -> str:
    """Point the quote board at keys that only this test uses; return their prefix."""
    settings.REDIS_PREFIX = redis_prefix
    return redis_prefix
