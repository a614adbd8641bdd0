"""Fixtures of every test: the seeded database, the address of Redis, a Redis prefix for each test, the reference data.

Packages add their fixtures in conftests next to their tests. A transactional test ends with a flush, which deletes the
rows that migrations seed; the next test copies them back. The trigger that refuses to truncate the audit log is
disabled here; the tests of the audit log enable it.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connection
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker, Settings

from tests.database import quick_flush, restore_seeds, save_seeds

ROOT = Path(__file__).resolve().parent.parent

# No deadline for one example: on a busy machine any example may be slow. `pytest tests/unit` in an IDE must be fast;
# `make test` uses the profile with Hypothesis' default number of examples (`devstack.commands`).
hypothesis_settings.register_profile("quick", deadline=None, max_examples=15)
hypothesis_settings.register_profile("suite", deadline=None, max_examples=100)
hypothesis_settings.load_profile("quick")


@pytest.fixture(scope="session")
def django_db_setup(suite_servers: None, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Disable the trigger that refuses to truncate the audit log; end all other database sessions on teardown."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE subscription_log DISABLE TRIGGER subscription_log_refuses_truncate")
        save_seeds(cursor)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.ops, "sql_flush", quick_flush(connection.ops.sql_flush))
        yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # The server may not have noticed yet that some processes were killed; their sessions block DROP DATABASE.
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(scope="session", autouse=True)
def unlisted_static_files() -> None:
    """Let WhiteNoise look at a static file when it is requested.

    By default it lists all of them for each test client, once a test of the browser has collected them: some 50 ms.
    """
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """Restore the rows that the migrations seed in every test with a database."""
    wants_database = request.node.get_closest_marker("django_db") is not None
    if not wants_database and not {"db", "transactional_db"} & set(request.fixturenames):
        return
    request.getfixturevalue("_django_db_helper")
    restore_seeds()


@pytest.fixture(scope="session")
def redis_url(suite_servers: None) -> str:
    """Return the address of the suite's Redis."""
    return os.environ["REDIS_URL"]


@pytest.fixture(scope="session")
def suite_redis(redis_url: str) -> Iterator[redis.Redis]:
    """Yield a client of the suite's Redis: to connect for each test takes longer than to delete its keys."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def redis_prefix(suite_redis: redis.Redis) -> Iterator[str]:
    """Yield a unique key prefix; its keys are deleted after the test."""
    with unique_prefix(suite_redis) as prefix:
        yield prefix


@contextmanager
def unique_prefix(client: redis.Redis) -> Iterator[str]:
    """Yield a unique key prefix; its keys are deleted on exit."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    yield prefix
    if keys := list(client.scan_iter(match=f"{prefix}*", count=10_000)):
        client.delete(*keys)


@pytest.fixture
def own_board(settings: Settings, redis_prefix: str) -> str:
    """Point the quote board at keys that only this test uses; return their prefix."""
    settings.REDIS_PREFIX = redis_prefix
    return redis_prefix


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Return the directory of real broker data beside the checkout; skip the test where it is missing."""
    directory = ROOT.parent / "shared" / "data"
    if not directory.is_dir():
        pytest.skip(f"the reference data is not at {directory}")
    return directory
