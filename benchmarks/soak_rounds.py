"""Shared by the soak tests: dedicated servers, rounds with one measurement each, and a summary.

The load average of the machine is printed beside the figures.
"""

# ruff: noqa: E402  Models can be imported only after django.setup().

import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")
django.setup()

from devstack.paths import prepare_paths
from devstack.privileges import server_account
from tests.own_servers import OwnServers, make_template, running_servers


@contextmanager
def own_servers() -> Iterator[tuple[OwnServers, Path]]:
    """Yield dedicated servers to which Django connects, and a directory of logs, which remains after a failure."""
    account = server_account(euid=os.geteuid())
    home = Path(tempfile.mkdtemp(prefix="soak-", dir="/var/tmp"))
    # As root the servers run under another account, which must be able to pass through.
    home.chmod(0o711)
    root, logs = home / "checkout", home / "logs"
    root.mkdir(mode=0o755)
    logs.mkdir()
    try:
        paths = prepare_paths(root, account)
        with running_servers(paths, account, make_template(paths, account)) as servers:
            yield servers, logs
    except BaseException:
        print(f"the logs are in {logs}", flush=True)
        raise
    else:
        shutil.rmtree(home, ignore_errors=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def measure(name: str, rounds: int, act: Callable[[], float], *, budget: float) -> None:
    """Run `act`, which returns seconds, `rounds` times and print a summary."""
    figures: list[float] = []
    for number in range(1, rounds + 1):
        began_at = time.monotonic()
        figures.append(act())
        print(
            f"   {name} {number}/{rounds}: {figures[-1]:.2f} s (round {time.monotonic() - began_at:.0f} s)", flush=True
        )
    print(summary(name, figures, budget=budget), flush=True)


def summary(name: str, figures: Sequence[float], *, budget: float) -> str:
    """Return a line with median, 99th percentile and maximum in seconds, and the budget of the 99th percentile."""
    middle, high = percentile(figures, 50), percentile(figures, 99)
    verdict = "within" if high <= budget else "OVER"
    load = os.getloadavg()[0]
    return (
        f"{name:<44} p50 {middle:6.2f} s   p99 {high:6.2f} s   worst {max(figures):6.2f} s   "
        f"{verdict} {budget:.0f} s   {len(figures)} runs, load {load:.1f}"
    )


def percentile(figures: Sequence[float], share: float) -> float:
    """Return the figure that `share` percent do not exceed; of fewer than 100 figures, p99 is the maximum."""
    ordered = sorted(figures)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]
