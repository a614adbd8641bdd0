"""Places and servers of the runner, apart from those that the suite itself runs on."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.binaries import find_postgres
from devstack.places import Places, prepare_places
from devstack.ports import choose_port
from devstack.postgres import PostgresServer, create_cluster
from devstack.privileges import Account, give_to, server_account

PASSWORD = "only-for-this-test"


@pytest.fixture(scope="session")
def account() -> Account | None:
    return server_account(euid=os.geteuid())


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """Return a directory that every account may pass through; pytest's own are closed."""
    directory = Path(tempfile.mkdtemp(prefix="devstack-", dir="/var/tmp"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def places(open_directory: Path, account: Account | None) -> Places:
    root = open_directory / "checkout"
    root.mkdir(mode=0o755)
    return prepare_places(root, account)


@pytest.fixture(scope="session")
def template(places: Places, account: Account | None) -> Path:
    cluster = places.home / "template"
    create_cluster(find_postgres(places, account), cluster, PASSWORD, account)
    return cluster


@pytest.fixture
def postgres_server(
    places: Places, account: Account | None, template: Path, request: pytest.FixtureRequest
) -> PostgresServer:
    """Return a server with a fresh cluster, not started."""
    cluster = places.home / f"cluster-of-{request.node.name}"
    shutil.copytree(template, cluster)
    give_to(cluster, account)
    return PostgresServer(
        binaries=find_postgres(places, account), cluster=cluster, port=choose_port(), password=PASSWORD, account=account
    )
