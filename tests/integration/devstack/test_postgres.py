"""The embedded PostgreSQL: persistent data, recovery after a crash, dropped privileges."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from devstack import postgres
from devstack.children import Child, Program, start
from devstack.errors import DevstackError
from devstack.postgres import PostgresServer
from devstack.privileges import Account
from devstack.waiting import wait_until


@contextmanager
def running(server: PostgresServer, log: Path) -> Iterator[Child]:
    child = start(server.program(log))
    try:
        assert wait_until(lambda: postgres.is_ready(server, child), seconds=60)
        postgres.ensure_database(server, "market")
        yield child
    finally:
        child.stop()


def test_data_survive_a_restart(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with running(postgres_server, tmp_path / "log"), psycopg.connect(postgres_server.url("market")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")

    with running(postgres_server, tmp_path / "log"), psycopg.connect(postgres_server.url("market")) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (42,)


def test_the_product_role_owns_its_database_and_is_no_superuser(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    question = (
        "SELECT current_user::text, usesuper, usecreatedb, pg_get_userbyid(datdba)::text"
        " FROM pg_user, pg_database WHERE usename = current_user AND datname = current_database()"
    )

    with running(postgres_server, tmp_path / "log"), psycopg.connect(postgres_server.url("market")) as connection:
        assert connection.execute(question).fetchone() == ("terminal", False, True, "terminal")


def test_a_wrong_password_is_refused(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with running(postgres_server, tmp_path / "log"):
        url = postgres_server.url("market").replace(postgres_server.password, "wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url)


def test_the_server_never_runs_as_root(
    postgres_server: PostgresServer, tmp_path: Path, account: Account | None
) -> None:
    with running(postgres_server, tmp_path / "log") as child:
        owner = psutil.Process(child.pid).uids().effective

    assert owner == (account.uid if account else os.geteuid())
    assert owner != 0


def test_a_killed_server_restarts_with_all_committed_data(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with running(postgres_server, tmp_path / "log") as child:
        with psycopg.connect(postgres_server.url("market")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
        os.kill(child.pid, signal.SIGKILL)

    postgres.clear_stale_lock(postgres_server.cluster)
    with running(postgres_server, tmp_path / "log"), psycopg.connect(postgres_server.url("market")) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (42,)


def test_a_lock_file_with_the_id_of_an_unrelated_process_is_deleted(
    postgres_server: PostgresServer, tmp_path: Path, account: Account | None
) -> None:
    sleeping = Program(
        name="sleep",
        arguments=["sleep", "60"],
        environment=postgres.SERVER_ENVIRONMENT,
        directory=Path("/"),
        log=tmp_path / "sleep.log",
        account=account,
    )
    unrelated = start(sleeping)
    lock = postgres_server.cluster / "postmaster.pid"
    lock.write_text(f"{unrelated.pid}\n{postgres_server.cluster}\n1770000000\n{postgres_server.port}\n\n127.0.0.1\n")

    postgres.clear_stale_lock(postgres_server.cluster)

    with running(postgres_server, tmp_path / "log"):
        assert not unrelated.has_exited()
    unrelated.kill_group()


def test_a_server_of_a_previous_run_is_ended(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with running(postgres_server, tmp_path / "log") as child:
        postgres.clear_stale_lock(postgres_server.cluster)

        assert child.has_exited()


def test_a_process_of_a_previous_run_that_does_not_end_is_named(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with (
        running(postgres_server, tmp_path / "log") as child,
        psycopg.connect(postgres_server.url("market")) as connection,
    ):
        frozen = connection.info.backend_pid
        os.kill(frozen, signal.SIGSTOP)
        os.kill(child.pid, signal.SIGKILL)

        with pytest.raises(DevstackError, match=rf"after 0\.5 s.*\b{frozen}\b"):
            postgres.clear_stale_lock(postgres_server.cluster, seconds=0.5)
        assert (postgres_server.cluster / "postmaster.pid").exists()

        os.kill(frozen, signal.SIGCONT)
    postgres.clear_stale_lock(postgres_server.cluster)
    assert not (postgres_server.cluster / "postmaster.pid").exists()


def test_data_of_another_postgresql_version_are_refused(postgres_server: PostgresServer) -> None:
    (postgres_server.cluster / "PG_VERSION").write_text("12\n")

    with pytest.raises(DevstackError, match="is of PostgreSQL 12"):
        postgres.check_version(postgres_server)


def test_the_error_of_a_server_that_cannot_start_contains_its_log(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    (postgres_server.cluster / "postgresql.conf").write_text("no_such_setting = on\n")
    child = start(postgres_server.program(tmp_path / "log"))

    with pytest.raises(DevstackError, match="no_such_setting"):
        wait_until(lambda: postgres.is_ready(postgres_server, child), seconds=60)
    child.kill_group()
