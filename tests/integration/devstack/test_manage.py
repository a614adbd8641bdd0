"""`make manage` runs a management command with the environment of the running stack, and says so if there is none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.errors import DevstackError
from devstack.management import read_stack_environment
from devstack.ports import choose_port
from tests.integration.devstack.checkouts import block, make_checkout, running_stack
from tests.processes import REPOSITORY

SCRIPT = "import os, sys; from pathlib import Path; from devstack.management import run_command; "
SCRIPT += "run_command(sys.argv[2:], root=Path(sys.argv[1]), environ=os.environ)"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def manage(checkout: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(checkout), *arguments],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_command_has_the_settings_of_the_running_stack_and_none_of_its_caller(checkout: Path) -> None:
    with running_stack(checkout, port=choose_port(), DATABASE_URL="postgres://127.0.0.1:1/the_stack") as stack:
        stack.wait_for("web")

        done = manage(
            checkout, "print_environment", "--repair", TERM="xterm", MARKET_DATE="2020-01-01", DATABASE_URL="another"
        )

    assert done.returncode == 0, done.stderr
    environment = json.loads(done.stdout)
    assert environment["arguments"] == ["--repair"]
    assert environment["DATABASE_URL"] == "postgres://127.0.0.1:1/the_stack"
    assert environment["SECRET_KEY"] == (checkout / ".run/secret-key").read_text().strip()
    assert environment["TERM"] == "xterm"
    assert not {"MARKET_DATE", "NOTIFY_SOCKET", "WATCHDOG_USEC", "BROKING_TERMINAL_CHECKOUT"} & set(environment)


def test_the_exit_code_of_a_command_is_that_of_make(checkout: Path) -> None:
    (checkout / "fail-check_subscriptions").touch()
    with running_stack(checkout, port=choose_port()) as stack:
        stack.wait_for("web")

        done = manage(checkout, "check_subscriptions")

    assert (done.returncode, done.stderr.strip()) == (1, "check_subscriptions fails")


def test_without_a_stack_a_command_is_refused_and_the_start_is_named(checkout: Path) -> None:
    with pytest.raises(DevstackError, match=r"No stack of this checkout is running.*`make run`"):
        read_stack_environment(checkout)


def test_after_a_stop_a_command_is_refused(checkout: Path) -> None:
    with running_stack(checkout, port=choose_port()) as stack:
        stack.wait_for("web")

    with pytest.raises(DevstackError, match="No stack of this checkout is running"):
        read_stack_environment(checkout)


def test_before_the_migration_a_command_is_refused(checkout: Path) -> None:
    block(checkout, "migrate")
    with running_stack(checkout, port=choose_port()) as stack:
        stack.wait_for("simulator")

        with pytest.raises(DevstackError, match="is still starting"):
            read_stack_environment(checkout)
