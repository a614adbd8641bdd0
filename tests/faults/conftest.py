"""Fixtures of the fault tests: a separate PostgreSQL and Redis for each test, which the test may break."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from devstack.paths import Paths, prepare_paths
from devstack.privileges import Account, server_account
from tests.integration.conftest import quick_passwords
from tests.integration.subscriptions.feed.conftest import settled_database
from tests.own_servers import OwnServers, make_template, running_servers

# Tests of faults that break no server use the suite's servers, as the integration tests do.
__all__ = ["quick_passwords", "settled_database"]


@pytest.fixture(scope="session")
def server_home() -> Iterator[tuple[Paths, Account | None]]:
    """Return the directory for a test's servers and the account that they run under."""
    account = server_account(euid=os.geteuid())
    # That account may not enter pytest's own directories.
    directory = Path(tempfile.mkdtemp(prefix="faults-", dir="/var/tmp"))
    directory.chmod(0o711)
    root = directory / "checkout"
    root.mkdir(mode=0o755)
    yield prepare_paths(root, account), account
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def cluster_template(
    server_home: tuple[Paths, Account | None], tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Path:
    """Return a PostgreSQL cluster that contains our tables; the processes of one run share it."""
    if worker_id == "master":
        return make_template(*server_home)
    of_run = tmp_path_factory.getbasetemp().parent
    with (of_run / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        template = of_run / "template"
        if not template.exists():
            # The copy gets its name when it is complete.
            shutil.copytree(make_template(*server_home), of_run / "template.part")
            (of_run / "template.part").rename(template)
        return template


@pytest.fixture
def servers(
    server_home: tuple[Paths, Account | None], cluster_template: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[OwnServers]:
    """Yield separate servers for the test, with seeded tables; Django connects to them."""
    with django_db_blocker.unblock(), running_servers(*server_home, cluster_template) as own:
        yield own
