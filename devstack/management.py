"""`devstack manage`: runs a management command of Django against the running stack of this checkout.

The stack's settings exist only in the environment of its processes: the account, the generated secrets, the ports and
the database of this source. So the command gets the environment of one of them, read from the system (proc(5),
environ). A copy on disk would store the broker's token a second time, and could be of another run.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil

from devstack.errors import DevstackError
from devstack.processes import CHECKOUT_VARIABLE

# They belong to the process that has them: its supervisor, and the run that ends what it finds with this variable.
NOT_PASSED_ON = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WEB_PROCESS_NUMBER", CHECKOUT_VARIABLE})
# What a command takes from its caller: the terminal, and passwords that commands read. Everything else is of the stack:
# a MARKET_DATE of the caller's shell would give the command another day.
TAKEN_FROM_CALLER = frozenset({"TERM", "COLUMNS", "LINES", "EDITOR", "DEMO_PASSWORD", "DJANGO_SUPERUSER_PASSWORD"})
# Programs that start after the migration of the database: the feed worker and the web server.
LIVE_PROGRAMS = frozenset({"celery", "uvicorn", "daphne"})


def run_command(arguments: Sequence[str], *, root: Path, environ: Mapping[str, str]) -> NoReturn:
    """Replace this process by `manage.py ARGUMENTS`. Raises DevstackError if no stack of the checkout runs."""
    own = {name: value for name, value in environ.items() if name in TAKEN_FROM_CALLER}
    environment = {**read_stack_environment(root), **own}
    os.chdir(root)
    os.execve(sys.executable, [sys.executable, "manage.py", *arguments], environment)  # noqa: S606  our own program


def read_stack_environment(root: Path) -> dict[str, str]:
    """Return the variables of the running stack. Raises DevstackError if there is none, or no database yet."""
    programs = list(_list_programs(root))
    for process in programs:
        with suppress(psutil.Error):  # It has ended since.
            if LIVE_PROGRAMS & set(process.cmdline()):
                environment = process.environ()
                return {name: value for name, value in environment.items() if name not in NOT_PASSED_ON}
    if programs:
        raise DevstackError("The stack of this checkout is still starting; repeat the command when its workers run.")
    raise DevstackError(
        "No stack of this checkout is running, so there is no database for the command. Start it with `make run`, "
        "in another terminal, and repeat the command."
    )


def _list_programs(root: Path) -> list[psutil.Process]:
    """Return the programs of the running stack of this checkout; none if its supervisor has ended."""
    try:
        # The id may belong to an unrelated process by now; the children of that one are not of this checkout.
        supervisor = psutil.Process(int((root / ".run" / "lock").read_text()))
        return [child for child in supervisor.children() if _is_of(child, root)]
    except (FileNotFoundError, ValueError, psutil.Error):
        return []


def _is_of(process: psutil.Process, root: Path) -> bool:
    with suppress(psutil.Error):  # It has ended, or another account owns it.
        return process.environ().get(CHECKOUT_VARIABLE) == str(root)
    return False
