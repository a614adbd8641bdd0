"""Every command that docs/operations.md prints exists and accepts its arguments, in the form that an operator types."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError
from django.urls import resolve

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/operations.md").read_text()
STORES = ("psql", "createdb", "dropdb", "pg_dump", "pg_restore", "redis-cli")
SERVERS = ("celery", "uvicorn", "daphne", "docker", "systemctl")
PROGRAMS = {"make", "manage.py", "python", "python3", "pip", "sh", "bash", "kill", "curl", *STORES, *SERVERS}
PLACEHOLDERS = {"ID": "7", "YEAR": "2027", "FILE": "holidays.csv"}
TARGETS = frozenset(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
SERVICES = frozenset(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])


class UnresolvedError(Exception):
    """A command that an operator cannot run as it is printed."""


def find_commands(text: str) -> Iterator[str]:
    """Yield the commands in code spans and code blocks: their first word is a program, or a path to one."""
    blocks = re.findall(r"^(?: {4}|\t)(\S.*)$", text, flags=re.MULTILINE)
    fenced = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
    for code in [*re.findall(r"`([^`\n]+)`", text), *blocks, *fenced.splitlines()]:
        first = code.split()[0] if code.split() else ""
        if first.rpartition("/")[2] in PROGRAMS:
            yield code


def check(command: str) -> None:
    """Raise UnresolvedError if the command names something that does not exist."""
    match shlex.split(command):
        case ["make"]:
            return
        case ["make", "manage", given] if given.startswith("ARGS="):
            check_management(shlex.split(given.removeprefix("ARGS=")))
        case ["make", target, *variables] if target in TARGETS and all("=" in one for one in variables):
            if target == "manage":
                raise UnresolvedError(f"{command}: no ARGS")
        case ["docker", "compose", "run", "--rm", service, "python", "manage.py", *arguments] if service in SERVICES:
            check_management(arguments)
        case [("python" | ".venv/bin/python"), "manage.py", *arguments]:
            check_management(arguments)
        case _:
            raise UnresolvedError(command)


def check_all(text: str) -> None:
    for one in find_commands(text):
        check(one)


def check_management(words: Sequence[str]) -> None:
    """Raise UnresolvedError if Django has no such command, or it refuses the arguments."""
    if list(words) == ["--version"]:
        return
    name, *arguments = words
    if name not in get_commands():
        raise UnresolvedError(f"no management command {name}")
    app = get_commands()[name]
    parser = load_command_class(str(app), name).create_parser("manage.py", name)
    try:
        parser.parse_args([PLACEHOLDERS.get(one, one) for one in arguments])
    except CommandError as error:
        raise UnresolvedError(f"{name}: {error}") from error


@pytest.mark.parametrize("command", sorted(set(find_commands(PAGE))))
def test_every_command_on_the_page_can_be_run_as_printed(command: str) -> None:
    check(command)


def test_the_page_names_the_command_for_the_running_stack() -> None:
    assert 'make manage ARGS="import_instruments"' in set(find_commands(PAGE))


@pytest.mark.parametrize(
    "command",
    [
        "manage.py check_subscriptions",
        "make manage",
        "make reimport",
        'make manage ARGS="check_subscription"',
        'make manage ARGS="check_subscriptions --fix"',
        'make manage ARGS="import_instruments --accept"',
        "docker compose run --rm api python manage.py check_subscriptions",
        ".venv/bin/python -m devstack exec -- .venv/bin/python manage.py check_subscriptions",
        "psql terminal",
    ],
)
def test_a_command_that_cannot_be_run_is_found(command: str) -> None:
    text = f"Run `{command}` then.\n"

    with pytest.raises(UnresolvedError):
        check_all(text)


def test_commands_in_code_blocks_are_found() -> None:
    text = "Then:\n\n    make repair\n\n```sh\nmake mend\n```\n"

    assert list(find_commands(text)) == ["make repair", "make mend"]


def test_every_option_in_the_table_of_commands_exists() -> None:
    section = PAGE.partition("## Commands")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z_]+)` \|(.*)\|$", section, flags=re.MULTILINE)
    for name, text in rows:
        app = get_commands()[name]
        parser = load_command_class(str(app), name).create_parser("manage.py", name)
        known = {option for action in parser._actions for option in action.option_strings}
        assert set(re.findall(r"--[a-z-]+", text)) <= known, name

    assert {"import_instruments", "check_subscriptions"} <= {name for name, _ in rows}


def test_every_request_on_the_page_has_an_address() -> None:
    requests = re.findall(r"`(?:GET|POST|PUT|DELETE) (/[^`\s?]+)", PAGE)

    assert "/health" in requests
    for path in requests:
        assert callable(resolve(path).func)
