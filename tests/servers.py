"""A pytest plugin: names the servers that tests need, and lets all other tests run without any.

The servers come from environment variables, so that the suite runs on real PostgreSQL and Redis wherever they are.
Unit tests need none: this plugin then sets addresses at which no server answers, and a fixture that needs a server
requests `suite_servers`. It is a plugin and not a conftest because pytest-django loads the settings, which read these
variables, before any conftest.
"""

import os
import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

PLACEHOLDERS: Final = {
    "SECRET_KEY": "a-placeholder-for-tests-without-servers",
    "DATABASE_URL": "postgres://nobody:none@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
"""No server listens on port 1."""
MISSING: Final = tuple(name for name in PLACEHOLDERS if not os.environ.get(name))
ADVICE: Final = (
    f"{', '.join(MISSING)} not set. Run `make test`, or `.venv/bin/python -m devstack exec -- "
    ".venv/bin/python -m pytest ...` for a part of the suite; `pytest tests/unit` needs no server."
)

TOGETHER: Final = "tests/e2e/"
"""The directory whose files share one terminal and one browser, so that one worker runs them all."""
WAITING: Final = (
    TOGETHER,
    "tests/faults/",
    "tests/integration/subscriptions/feed/",
    "tests/integration/terminal/test_frozen_processes.py",
)
"""Where tests mostly wait for other processes; the others mostly compute."""
COMPUTING: Final = ("tests/faults/test_r13_fuzzed_packets.py", "tests/faults/test_never_six_model.py")
"""Files there that compute."""
MEASURING: Final = (
    "tests/faults/test_r29_resources.py",
    "tests/integration/marketdata/test_spot_requests.py",
    "tests/integration/subscriptions/test_writers_at_capacity.py",
)
"""Files whose promises are figures that need most of a processor."""
FIRST_WORKER: Final = "gw0"
NICENESS: Final = 10
"""Chosen: the kernel gives a process of niceness 0 nine times the time of one of 10 while both compute."""


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    """Set the missing variables before the settings are loaded, and a Redis prefix of this process.

    The workers of one run share a Redis. Without a prefix each, a message to the group of a trader would also reach
    the tests of the other workers.
    """
    os.environ |= {name: PLACEHOLDERS[name] for name in MISSING}
    os.environ["REDIS_PREFIX"] = f"test-{uuid.uuid4().hex[:12]}"
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let each worker begin its collection at another file, and find the bytecode of the other files written.

    All workers collect all files, and to compile one for pytest takes longer than all else that its collection does. In
    the same order, in a fresh checkout, each worker would compile each file.
    """
    worker, directories = os.environ.get("PYTEST_XDIST_WORKER"), [Path(one) for one in session.config.args]
    if worker is None or not all(one.is_dir() for one in directories):
        return
    files = sorted(str(file) for directory in directories for file in directory.rglob("test_*.py"))
    first = len(files) * int(worker.removeprefix("gw")) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    session.config.args = [*files[first:], *files[:first]]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stop before the first test if a selected test needs servers and none are named; sort the tests by file."""
    if MISSING and (count := sum(_needs_servers(item) for item in items)):
        raise pytest.UsageError(f"{count} of {len(items)} tests need servers: {ADVICE}")
    # After pytest-django, which sorts by kind of database access.
    items.sort(key=lambda item: item.nodeid.partition("::")[0])


class FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types.
    """Gives whole files to the workers: those that compute to the first worker, those that wait to the others.

    So the processors are busy from the beginning to the end: workers that wait leave them idle, and several that
    compute share two. The first worker begins with the files that measure, so that none computes beside them. Then it
    computes at a low priority (`pytest_runtest_logstart`), so that it delays no process whose seconds a test counts.
    The browser tests count as one file.
    """

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(TOGETHER) else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        is_first = node is next(iter(self.assigned_work))
        preferred = [_is_measuring, _is_computing] if is_first else [_is_waiting, _is_computing]
        fitting = (file for is_of_kind in preferred for file in self.workqueue if is_of_kind(file))
        self.workqueue.move_to_end(next(fitting, next(iter(self.workqueue))), last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling | None:
    """Return the scheduler of `--dist loadfile`; another mode keeps its own."""
    return FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_runtest_logstart(nodeid: str) -> None:
    """Lower the priority of the first worker at its first file that computes."""
    is_first = os.environ.get("PYTEST_XDIST_WORKER") == FIRST_WORKER
    if is_first and _is_computing(nodeid.partition("::")[0]) and os.nice(0) < NICENESS:
        os.nice(NICENESS)


def _is_measuring(file: str) -> bool:
    return file in MEASURING


def _is_waiting(file: str) -> bool:
    return file.startswith(WAITING) and not _is_measuring(file) and file not in COMPUTING


def _is_computing(file: str) -> bool:
    return not _is_waiting(file) and not _is_measuring(file)


def _needs_servers(item: pytest.Item) -> bool:
    return item.get_closest_marker("django_db") is not None or "suite_servers" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def suite_servers() -> None:
    """Require PostgreSQL and Redis of the suite."""
    if MISSING:
        pytest.fail(ADVICE, pytrace=False)
