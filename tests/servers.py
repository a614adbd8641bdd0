"""Refuses to test without servers, in a sentence.

The servers come from outside, by environment variables, so that the suite runs on real
PostgreSQL and Redis wherever those are. A plugin rather than a conftest: pytest-django
loads the settings, which need the same variables, before any conftest is read.
"""

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    missing = [name for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY") if not os.environ.get(name)]
    if missing:
        raise pytest.UsageError(
            f"{', '.join(missing)} not set. The suite needs real servers: run `make test`, "
            "or `.venv/bin/python -m devstack exec -- .venv/bin/python -m pytest ...` for some of it."
        )
    return (yield)
