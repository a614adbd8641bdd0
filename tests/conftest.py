"""What every test may ask for: the servers, a Redis prefix of its own, the reference data.

The servers are named by the environment (`tests.servers` insists on it). Rooms add their
fixtures in conftests of their own.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def redis_url() -> str:
    return os.environ["REDIS_URL"]


@pytest.fixture
def redis_prefix(redis_url: str) -> Iterator[str]:
    """Give the test a key prefix nobody else has; what it leaves there is removed afterwards."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    yield prefix
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(match=f"{prefix}*", count=1_000):
            client.delete(key)


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Return the directory of real broker data, kept beside the checkout."""
    directory = ROOT.parent / "shared" / "data"
    if not directory.is_dir():
        pytest.skip(f"the reference data is not at {directory}")
    return directory
