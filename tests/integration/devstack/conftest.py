"""Directories and servers for tests of the runner, separate from those of the suite."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.binaries import find_postgres
from devstack.paths import Paths, prepare_paths
from devstack.ports import choose_port
from devstack.postgres import PostgresServer, create_cluster
from devstack.privileges import Account, give_to, server_account

PASSWORD = "only-for-this-test"


@pytest.fixture(scope="session")
def account() -> Account | None:
    return server_account(euid=os.geteuid())


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """Return a directory that every account may enter; the directories of pytest are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="devstack-", dir="/var/tmp"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def paths(open_directory: Path, account: Account | None) -> Paths:
    root = open_directory / "checkout"
    root.mkdir(mode=0o755)
    return prepare_paths(root, account)


@pytest.fixture(scope="session")
def template(paths: Paths, account: Account | None) -> Path:
    cluster = paths.home / "template"
    create_cluster(find_postgres(paths, account), cluster, PASSWORD, account)
    return cluster


@pytest.fixture
def postgres_server(
    paths: Paths, account: Account | None, template: Path, request: pytest.FixtureRequest
) -> PostgresServer:
    """Return a server with a new cluster, not started."""
    cluster = paths.home / f"cluster-of-{request.node.name}"
    shutil.copytree(template, cluster)
    give_to(cluster, account)
    return PostgresServer(
        binaries=find_postgres(paths, account), cluster=cluster, port=choose_port(), password=PASSWORD, account=account
    )
