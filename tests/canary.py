"""`pytest --canary`: run the suite at DEBUG with a recognizable token, and fail a test that leaks it.

Every simulator uses this token. After each test the plugin searches for it, in every encoding, in the test's log and
output, in the logs of the processes it started, in Redis and in every row of the database. The search takes time, so it
is optional: `make test ARGS="--canary"`.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import redis
from django.db import connection

from tests.secrets import find_secrets, read_rows

TOKEN: Final = "canary-9e41bd07.77c2a6_Vq1sZx3w"
VARIABLE: Final = "SUITE_ACCESS_TOKEN"
_READ: Final[dict[bytes, list[str]]] = {
    b"string": ["GET", "{}"],
    b"hash": ["HGETALL", "{}"],
    b"list": ["LRANGE", "{}", "0", "-1"],
    b"set": ["SMEMBERS", "{}"],
    b"zset": ["ZRANGE", "{}", "0", "-1"],
    b"stream": ["XRANGE", "{}", "-", "+"],
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--canary", action="store_true", help="look for a recognisable access token after each test")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set the token before settings and simulators read it."""
    if early_config.known_args_namespace.canary:
        # Playwright leaves its event loop running in the thread that queries the database.
        os.environ |= {VARIABLE: TOKEN, "LOG_LEVEL": "DEBUG", "DJANGO_ALLOW_ASYNC_UNSAFE": "1"}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """Search while the test's database and processes still exist."""
    found = list(_find(item)) if item.config.getoption("--canary") else []
    answer = yield
    if found:
        pytest.fail(f"the access token was left in {', '.join(found)}", pytrace=False)
    return answer


def _find(item: pytest.Item) -> Iterator[str]:
    arguments: dict[str, Any] = getattr(item, "funcargs", {})
    directory = arguments.get("tmp_path")
    if isinstance(directory, Path):
        for path in directory.rglob("*.log"):
            if find_secrets([TOKEN], path.read_bytes()):
                yield path.name
    for when, title, text in item._report_sections:
        if find_secrets([TOKEN], text.encode()):
            yield f"its {title} ({when})"
    if find_secrets([TOKEN], _read_redis()):
        yield "Redis"
    has_database = item.get_closest_marker("django_db") is not None or "transactional_db" in arguments
    if has_database and not connection.needs_rollback:
        if not connection.in_atomic_block:
            connection.close()  # The test or its processes may have ended this database session.
        if find_secrets([TOKEN], read_rows()):
            yield "the database"


def _read_redis() -> bytes:
    pieces: list[bytes] = []
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        for key in client.scan_iter(count=1_000):
            command = _READ.get(client.type(key))
            value = client.execute_command(*(key if part == "{}" else part for part in command)) if command else b""
            pieces += [key, repr(value).encode()]
    return b"\n".join(pieces)
