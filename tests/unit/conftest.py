"""Unit tests use no server: a fixture of the database or Redis fails the test, even if servers run."""

import pytest

ADVICE = "A unit test uses no {}: move this test to tests/integration."


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """Fail a test that is marked for a database; pytest-django fails the others that use one."""
    pytest.fail(ADVICE.format("database"), pytrace=False)


@pytest.fixture(scope="session")
def suite_servers() -> None:
    """Fail a test that uses a fixture of the servers, Redis for one."""
    pytest.fail(ADVICE.format("server"), pytrace=False)
