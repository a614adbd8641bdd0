"""A checkout whose programs are small scripts: the runner knows the product only by its command lines.

Each program writes its name to `started` and goes on until it is ended; a management command ends at once. A file
`hang-NAME` makes the program or command NAME hang before it does anything, `fail-NAME` makes it fail.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.paths import prepare_paths
from devstack.stack import PRICES_FIRST_SECONDS, run
from tests.processes import PythonProcess
from tests.waiting import wait_until

SECONDS = 60.0  # of a step that takes one on an idle machine
COMMON = """
import os, pathlib, sys, time
def begin(name):
    if pathlib.Path(f"fail-{name}").exists():
        sys.exit(f"{name} fails")
    while pathlib.Path(f"hang-{name}").exists():
        time.sleep(0.02)
    with open("started", "a") as file:
        file.write(name + "\\n")
def serve(port=None, *, descriptor=None):
    import socket  # The import of http.server would take as long as the rest of the script.
    with socket.create_server(("127.0.0.1", int(port))) if port else socket.socket(fileno=int(descriptor)) as server:
        while True:
            with server.accept()[0] as client:
                if client.recv(65_536):
                    client.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
"""
SCRIPTS = {
    "common.py": COMMON,
    "manage.py": """
import json
from common import *
name = sys.argv[1]
begin(name)
if name == "collectstatic":
    pathlib.Path(os.environ["STATIC_ROOT"]).mkdir(exist_ok=True)
    pathlib.Path(os.environ["STATIC_ROOT"], "staticfiles.json").write_text("{}")
if name == "print_environment":
    print(json.dumps({"arguments": sys.argv[2:], **os.environ}))
""",
    "celery.py": """
from common import *
begin("beat" if "beat" in sys.argv else "feed" if "feed" in sys.argv else "work")
time.sleep(600)
""",
    "uvicorn.py": """
from common import *
begin(f"web-{os.environ['WEB_PROCESS_NUMBER']}" if "--fd" in sys.argv else "web")
if "--fd" in sys.argv:
    serve(descriptor=sys.argv[sys.argv.index("--fd") + 1])
serve(sys.argv[sys.argv.index("--port") + 1])
""",
    "simulator.py": """
from common import *
begin("simulator")
serve(sys.argv[sys.argv.index("--rest-port") + 1])
""",
    "app/static/page.js": "// a page",
}


@dataclass(frozen=True, slots=True)
class RunningStack:
    """`devstack run` in a checkout."""

    checkout: Path
    process: PythonProcess
    output: Path

    def started(self) -> list[str]:
        """Return the programs and commands that have started in this run, in order."""
        file = self.checkout / "started"
        return file.read_text().split() if file.exists() else []

    def wait_for(self, *names: str) -> None:
        """Wait until all these programs and commands have started."""
        wait_until(
            lambda: set(names) <= set(self.started()), message=f"{', '.join(names)} have started", seconds=SECONDS
        )

    def wait_for_line(self, text: str) -> None:
        """Wait until the runner has printed a line with `text`."""
        wait_until(lambda: text in self.output.read_text(), message=f"{text!r} is printed", seconds=SECONDS)


def make_checkout(directory: Path) -> Path:
    """Return a checkout with the scripts above."""
    checkout = directory / "checkout"
    for name, text in SCRIPTS.items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return checkout


def block(checkout: Path, *names: str) -> None:
    """Let these programs and commands hang when they start."""
    for name in names:
        (checkout / f"hang-{name}").touch()


@contextmanager
def running_stack(checkout: Path, *, port: int, **variables: str) -> Iterator[RunningStack]:
    """Run the stack of a checkout; the addresses of its servers lead nowhere, unless `variables` has others."""
    output = checkout / "output"
    (checkout / "started").unlink(missing_ok=True)
    addresses = {"DATABASE_URL": "postgres://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    own = {"PATH": os.environ["PATH"], "PORT": str(port), "WEB_PROCESSES": "1"}
    environment = {**own, **addresses, **variables}
    process = PythonProcess(__name__, [str(checkout)], environment=environment, output=output)
    try:
        yield RunningStack(checkout, process, output)
    finally:
        process.terminate()
        process.wait(SECONDS)


def main(root: Path, environ: Mapping[str, str]) -> int:
    seconds = float(environ.get("PRICES_FIRST_SECONDS", PRICES_FIRST_SECONDS))
    return run(paths=prepare_paths(root, None), account=None, environ=environ, prices_first_seconds=seconds)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), os.environ))
