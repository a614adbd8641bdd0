"""`python -m devstack exec`: ephemeral servers for one command."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import redis

from devstack.processes import is_alive
from devstack.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
SHOW = "import json, os; print(json.dumps({n: os.environ[n] for n in ('DATABASE_URL', 'REDIS_URL')}), flush=True)"


def start_exec(*command: str, **variables: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    return subprocess.Popen(
        [sys.executable, "-m", "devstack", "exec", "--", *command],
        cwd=ROOT,
        env=environment | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def shown_urls(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return the output of the command; the line about the template may precede it."""
    assert process.stdout is not None
    urls: dict[str, str] = next(json.loads(line) for line in process.stdout if line.startswith("{"))
    return urls


def server_ids(urls: dict[str, str]) -> list[int]:
    with redis.Redis.from_url(urls["REDIS_URL"]) as client:
        redis_id = client.info("server")["process_id"]
    with psycopg.connect(urls["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        return [redis_id, psutil.Process(row[0]).ppid()]


def test_the_ephemeral_servers_end_with_their_command() -> None:
    with start_exec(sys.executable, "-c", f"{SHOW}; input()") as process:
        ids = server_ids(shown_urls(process))
        process.terminate()

    assert process.returncode != 0
    assert not any(is_alive(pid) for pid in ids)


def test_the_commands_exit_code_is_returned() -> None:
    with start_exec(sys.executable, "-c", "raise SystemExit(7)") as process:
        assert process.wait(timeout=30) == 7


def test_a_killed_runner_ends_its_command_and_servers() -> None:
    with start_exec(sys.executable, "-c", f"{SHOW}; import time; time.sleep(600)") as process:
        ids = server_ids(shown_urls(process))
        process.send_signal(signal.SIGKILL)

    assert wait_until(lambda: not any(is_alive(pid) for pid in ids), seconds=10)


def test_servers_named_by_the_environment_are_used() -> None:
    named = {"DATABASE_URL": "postgres://user@elsewhere/db", "REDIS_URL": "redis://elsewhere/3"}

    with start_exec(sys.executable, "-c", SHOW, **named) as process:
        assert shown_urls(process) == named
