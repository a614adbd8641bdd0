"""Fixtures of every test: the address of Redis, a Redis prefix for each test, the reference data.

Packages add their fixtures in conftests next to their tests.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# No deadline for one example: on a busy machine any example may be slow. `pytest tests/unit` in an IDE must be fast;
# `make test` uses the profile with Hypothesis' default number of examples (`devstack.commands`).
settings.register_profile("quick", deadline=None, max_examples=15)
settings.register_profile("suite", deadline=None, max_examples=100)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def redis_url(suite_servers: None) -> str:
    """Return the address of the suite's Redis."""
    return os.environ["REDIS_URL"]


@pytest.fixture
def redis_prefix(redis_url: str) -> Iterator[str]:
    """Yield a unique key prefix; its keys are deleted after the test."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    yield prefix
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(match=f"{prefix}*", count=1_000):
            client.delete(key)


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Return the directory of real broker data beside the checkout; skip the test where it is missing."""
    directory = ROOT.parent / "shared" / "data"
    if not directory.is_dir():
        pytest.skip(f"the reference data is not at {directory}")
    return directory
