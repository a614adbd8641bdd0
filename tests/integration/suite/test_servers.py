"""Tests that need no server run without one; the other tests are refused with an error message."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.servers import PLACEHOLDERS

REPOSITORY = Path(__file__).resolve().parents[3]
NO_TESTS_RAN = 4
"""Pytest's exit code of a usage error."""


def run_pytest(*arguments: str, names: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
    """Run part of the suite with only `names` of the servers' variables set, as in an IDE."""
    unset = PLACEHOLDERS.keys() - set(names) | {"PYTHONPATH", "PYTEST_XDIST_WORKER"}
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name not in unset},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_unit_test_runs_without_servers() -> None:
    done = run_pytest("tests/unit/terminal/test_errors.py")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("present", "missing"), [("REDIS_URL", "SECRET_KEY, DATABASE_URL"), ("DATABASE_URL", "SECRET_KEY, REDIS_URL")]
)
def test_a_test_that_needs_servers_is_refused_with_the_missing_variables(present: str, missing: str) -> None:
    done = run_pytest("tests/integration/accounts", names=[present])

    assert done.returncode == NO_TESTS_RAN
    assert f"tests need servers: {missing} not set. Run `make test`" in done.stderr


def test_a_unit_test_with_a_database_fails_and_names_the_right_folder(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.unit.conftest import *\n")
    test = tmp_path / "test_of_a_row.py"
    test.write_text("import pytest\n\n@pytest.mark.django_db\ndef test_of_a_row() -> None: ...\n")

    done = run_pytest("-c", "pyproject.toml", "--import-mode=importlib", str(test), names=[*PLACEHOLDERS])

    assert done.returncode == 1
    assert "A unit test uses no database: move this test to tests/integration." in done.stdout
