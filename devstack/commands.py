"""Commands of a developer: `python -m devstack.commands suite|js|lint|lock|locks|bench|soak`, called by the Makefile.

Those that need servers run inside `devstack exec` and read their URLs from the environment, as the product does.
"""

import argparse
import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from benchmarks import report
from devstack import lockfiles
from devstack.children import die_with_parent
from devstack.node import Node, find_node

ROOT = Path(__file__).resolve().parent.parent
# import-linter has no module entry point, and its console script breaks at long paths.
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"

WORKERS = "4"  # measured on two cores: three that wait for other processes and one that computes (tests/servers.py)

# Python takes the empty text for unset. Some machines set it, and each process of the suite then compiles what it
# imports of ours. Measured: 17 s of CPU time in each worker, 0.7 s in each process of the stack.
WITH_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}


def main() -> int:
    command, arguments = sys.argv[1], sys.argv[2:]
    # Ctrl-C reaches the tool too. It prints its own message and exits; we then return its exit code.
    signal.signal(signal.SIGINT, _do_nothing)
    return COMMANDS[command](arguments)


def run_suite(arguments: Sequence[str]) -> int:
    """Run the tests of the browser code, then pytest, so that its summary is at the end of the output."""
    browser_code = 0 if arguments else run_browser_tests([])
    # Tests of one file share fixtures, so they stay together. `tests.servers` orders them; xdist would put the files
    # with most tests first.
    parallel = ["-n", WORKERS, "--dist", "loadfile", "--no-loadscope-reorder"]
    chosen = arguments or [*parallel, "--hypothesis-profile", "suite"]
    return _run("pytest", sys.executable, "-m", "pytest", *chosen, variables=WITH_BYTECODE) or browser_code


def run_browser_tests(_arguments: Sequence[str]) -> int:
    """Run the tests of the browser code with Node."""
    tests = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/js").rglob("*.test.*js"))
    node = _find_node()
    return _run("node --test", str(node.node), "--test", *tests) if node else 1


def lint(_arguments: Sequence[str]) -> int:
    """Run all static checks, the fastest first; stop at the first that fails."""
    python = sys.executable
    return (
        check_locks([])
        or _run("ruff format", python, "-m", "ruff", "format", "--check", ".")
        or _run("ruff check", python, "-m", "ruff", "check", ".")
        or _run("mypy", python, "-m", "mypy", ".")
        or _run("lint-imports", python, "-c", LINT_IMPORTS)
        or _check_browser_types()
        or _run("makemigrations", python, "manage.py", "makemigrations", "--check", "--dry-run")
    )


def lock(_arguments: Sequence[str]) -> int:
    """Resolve the requirements to lock files; needs the package index."""
    return lockfiles.write_locks(ROOT)


def check_locks(_arguments: Sequence[str]) -> int:
    """Print which lock files do not fit their requirements; 1 if there are any."""
    outdated = lockfiles.find_outdated(ROOT)
    for sentence in outdated:
        print(sentence, flush=True)
    return 1 if outdated else 0


def _find_node() -> Node | None:
    node = find_node()
    if node is None:
        print("No Node found, neither on the PATH nor from PyPI: the browser code cannot be checked.", flush=True)
    return node


def _check_browser_types() -> int:
    node = _find_node()
    if node is None:
        return 1
    return _install_node_modules(node) or _run("tsc", str(node.node), "node_modules/typescript/bin/tsc", "-p", ".")


def _install_node_modules(node: Node) -> int:
    """Run `npm ci` if the lock file has changed since the last run."""
    stamp = ROOT / "node_modules/.installed"
    wanted = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    code = _run("npm ci", *node.npm, "ci", "--no-audit", "--no-fund", "--loglevel", "error")
    if code == 0:
        stamp.write_text(wanted)
    return code


def bench(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run all benchmarks, or those whose name contains one of the words in `arguments`; then print one table.

    With `--against DIR`, each benchmark of `root` runs in that checkout too, right before: paired runs see the same
    load. Other options go to the benchmark, of which there must be only one then. The exit code is that of programs
    that failed; a missed budget is no failure.
    """
    parser = argparse.ArgumentParser(prog="bench", allow_abbrev=False, add_help=False)
    parser.add_argument("--against", type=Path)
    known, others = parser.parse_known_args(arguments)
    words = list(takewhile(lambda one: not one.startswith("-"), others))
    options = others[len(words) :]
    names = sorted(script.stem for script in (root / "benchmarks").glob("bench_*.py"))
    chosen = [name for name in names if not words or any(part in name for part in words)]
    if not chosen or (options and len(chosen) > 1):
        print(f"Options are those of one benchmark: name it first. Known are {', '.join(names)}.", flush=True)
        return 2
    roots = [known.against.resolve(), root] if known.against else [root]
    began_at, host = datetime.now(tz=UTC), report.describe_host(root)
    runs = [_run_benchmark(name, one, options, is_other=one != root) for name in chosen for one in roots]
    path = report.write_json(root / ".run" / "bench", runs, arguments=arguments, began_at=began_at, host=host)
    print(f"\n{report.make_table(runs)}\n\n{report.summarize(runs)} {path.relative_to(root)}", flush=True)
    return max(run.exit_code for run in runs)


def _run_benchmark(name: str, root: Path, options: Sequence[str], *, is_other: bool) -> report.Ended:
    """Run a benchmark and print its CPU time, which depends less on the load of the machine than its wall time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    # An earlier checkout may have no runner, and its benchmarks may record nothing.
    program = ["benchmarks", name] if (root / "benchmarks" / "__main__.py").exists() else [f"benchmarks.{name}"]
    with TemporaryDirectory(prefix="bench-") as directory:
        path = Path(directory) / "recorded.jsonl"
        variables = {report.RECORD_VARIABLE: str(path)}
        code = _run(f"{name} in {root}", sys.executable, "-m", *program, *options, root=root, variables=variables)
        recorded = report.read_recorded(path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    print(f"CPU {used:.1f} s", flush=True)
    return report.Ended(
        benchmark=name,
        commit=report.read_commit(root),
        exit_code=code,
        seconds=round(time.monotonic() - began, 1),
        cpu_seconds=round(used, 1),
        recorded=recorded,
        is_other=is_other,
    )


def soak(arguments: Sequence[str]) -> int:
    """Run the soak test named first, with the options after it; without a name, all with their defaults."""
    scripts = sorted(script.stem.removeprefix("soak_") for script in (ROOT / "benchmarks").glob("soak_*.py"))
    names = [name for name in scripts if name != "rounds"]
    chosen, options = (arguments[:1], arguments[1:]) if arguments else (names, [])
    if not set(chosen) <= set(names):
        print(f"Unknown soak test {chosen[0]!r}; known are {', '.join(names)}.", flush=True)
        return 2
    codes = [_run(f"soak {name}", sys.executable, "-m", f"benchmarks.soak_{name}", *options) for name in chosen]
    return max(codes, default=0)


def _run(name: str, *command: str, root: Path = ROOT, variables: Mapping[str, str] | None = None) -> int:
    print(f"== {name}", flush=True)
    # npm starts `node` by name: the Node from PyPI must be on the PATH.
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", os.defpath)])
    process = subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, "PATH": path, **(variables or {})},
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509  this process has a single thread
    )
    return process.wait()


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Replace SIG_IGN, which the tools would inherit; a handler is reset in them (execve(2))."""


COMMANDS = {
    "suite": run_suite,
    "js": run_browser_tests,
    "lint": lint,
    "lock": lock,
    "locks": check_locks,
    "bench": bench,
    "soak": soak,
}

if __name__ == "__main__":
    sys.exit(main())
