"""A migration is left out only while neither the code nor the database has changed since the last one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from devstack import postgres
from devstack.children import start
from devstack.postgres import PostgresServer
from devstack.preparations import Preparations, fingerprint_of_tables
from devstack.waiting import wait_until


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    migration = tmp_path / "checkout/marketdata/migrations/0001_schema.py"
    migration.parent.mkdir(parents=True)
    migration.write_text("operations = []")
    (tmp_path / "checkout/requirements.lock").write_text("django==5.2")
    return tmp_path / "checkout"


@pytest.fixture
def url(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """Return the address of a migrated database."""
    child = start(postgres_server.program(tmp_path / "postgres.log"))
    assert wait_until(lambda: postgres.is_ready(postgres_server, child), seconds=60)
    for name in ("market", "other"):
        postgres.ensure_database(postgres_server, name)
        with psycopg.connect(postgres_server.url(name)) as connection:
            connection.execute("CREATE TABLE django_migrations (app text, name text)")
            connection.execute("INSERT INTO django_migrations VALUES ('marketdata', '0001_schema')")
    yield postgres_server.url("market")
    child.stop()


def restore_a_backup(url: str, _checkout: Path) -> str:
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM django_migrations")
    return url


def write_a_migration(url: str, checkout: Path) -> str:
    (checkout / "marketdata/migrations/0002_more.py").write_text("operations = []")
    return url


def edit_a_migration(url: str, checkout: Path) -> str:
    (checkout / "marketdata/migrations/0001_schema.py").write_text("operations = [1]")
    return url


def upgrade_a_package(url: str, checkout: Path) -> str:
    (checkout / "requirements.lock").write_text("django==5.3")
    return url


def choose_another_database(url: str, _checkout: Path) -> str:
    return url.replace("/market", "/other")


def delete_the_tables(url: str, _checkout: Path) -> str:
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE django_migrations")
    return url


def reach_no_server(_url: str, _checkout: Path) -> str:
    return "postgres://127.0.0.1:1/market"


@pytest.mark.parametrize(
    "change",
    [
        restore_a_backup,
        write_a_migration,
        edit_a_migration,
        upgrade_a_package,
        choose_another_database,
        delete_the_tables,
        reach_no_server,
    ],
)
def test_after_any_change_the_tables_are_prepared_again(
    change: Callable[[str, Path], str], url: str, checkout: Path, tmp_path: Path
) -> None:
    preparations = Preparations(tmp_path / "preparations.json")
    preparations.note("tables", fingerprint_of_tables(checkout, url))
    assert preparations.is_done("tables", fingerprint_of_tables(checkout, url))

    changed = change(url, checkout)

    assert not preparations.is_done("tables", fingerprint_of_tables(checkout, changed))


def test_a_damaged_note_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "preparations.json"
    path.write_text('{"tables": ')

    assert not Preparations(path).is_done("tables", "a fingerprint")
