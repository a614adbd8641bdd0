"""Lock files: every package that is installed, transitive ones too, by version and hash.

requirements.txt and requirements-dev.txt name what we use and why; `make lock` resolves them to requirements.lock and
requirements-dev.lock, which `make run` and `make test` install with `--require-hashes`. A lock begins with the digest
of the requirements it was made from, so that the check needs no network.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

DIGEST_PREFIX = "# Made by `make lock` from requirements with sha256 "
OLDEST_PYTHON = "3.11"  # requires-python of pyproject.toml; a universal lock serves every later one


def write_locks(root: Path) -> int:
    """Resolve both requirement files and write their locks; packages keep their locked versions where they still fit.

    Returns the exit code of the resolver. Needs the package index.
    """
    # The larger one first: it is the constraint of the other, so that both lock the same versions.
    return _write_lock(root, "requirements-dev") or _write_lock(root, "requirements", "-c", "requirements-dev.lock")


def find_outdated(root: Path) -> list[str]:
    """Return a sentence for each lock that was not made from the present requirements."""
    return [
        f"{name}.lock does not fit {name}.txt; run: make lock"
        for name in ("requirements", "requirements-dev")
        if _first_line(root / f"{name}.lock") != f"{DIGEST_PREFIX}{_digest(root, name)}"
    ]


def _write_lock(root: Path, name: str, *constraints: str) -> int:
    lock = root / f"{name}.lock"
    resolver = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    options = ["--python-version", OLDEST_PYTHON, "--no-header", "--no-annotate", *constraints]
    code = subprocess.call([*resolver, *options, f"{name}.txt", "--output-file", lock.name], cwd=root)
    if code == 0:
        lock.write_text(f"{DIGEST_PREFIX}{_digest(root, name)}\n{lock.read_text()}")
    return code


def _digest(root: Path, name: str) -> str:
    """Return the digest of a requirements file and, for the larger one, of the file that it includes."""
    names = ["requirements"] if name == "requirements" else ["requirements", name]
    return hashlib.sha256(b"".join((root / f"{one}.txt").read_bytes() for one in names)).hexdigest()


def _first_line(path: Path) -> str:
    return path.read_text().partition("\n")[0] if path.exists() else ""
