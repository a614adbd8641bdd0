"""Which preparations of a start can be left out, because nothing that they read or wrote has changed since.

Each start of Django costs seconds before the first price. A preparation that ended is noted with a fingerprint of the
files that it reads and of what it left behind. It is left out while the fingerprint stays the same; a new version, a
restored database or a deleted file is prepared again.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg

from devstack.secret_files import write_private

# Files that every preparation depends on: the settings, and the packages with migrations and static files of their own.
COMMON = ("terminal/settings.py", "terminal/static_files.py", "requirements.lock")
CONNECT_SECONDS = 5


class Preparations:
    """The notes of one checkout, in `.run/preparations.json`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_done(self, name: str, fingerprint: str | None) -> bool:
        """Return whether the preparation `name` was noted with `fingerprint`; None is unknown, and never done."""
        return fingerprint is not None and self._noted().get(name) == fingerprint

    def note(self, name: str, fingerprint: str | None) -> None:
        """Note that the preparation is done."""
        write_private(self._path, json.dumps({**self._noted(), name: fingerprint}))

    def _noted(self) -> dict[str, str | None]:
        try:
            noted: dict[str, str | None] = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return noted


def fingerprint_of_tables(root: Path, database_url: str) -> str | None:
    """Return the fingerprint of all migrations, on disk and applied; None if the database cannot be read."""
    try:
        with psycopg.connect(database_url, connect_timeout=CONNECT_SECONDS) as connection:
            # The name too: every source of data has a database, and one note may be of another.
            rows = connection.execute(
                "SELECT current_database(), app, name FROM django_migrations ORDER BY app, name"
            ).fetchall()
    except psycopg.Error:  # `migrate` reports it.
        return None
    applied = (" ".join(row).encode() for row in rows)
    return _digest([*_contents(root, "*/migrations/*.py"), *applied])


def fingerprint_of_static_files(root: Path, collected: Path) -> str | None:
    """Return the fingerprint of the static files, in the packages and collected; None if none are collected."""
    if not (collected / "staticfiles.json").is_file():
        return None
    names = (f"{path.relative_to(collected)} {path.stat().st_size}" for path in _files(collected, "**/*"))
    return _digest([*_contents(root, "*/static/**/*"), str(collected).encode(), *(name.encode() for name in names)])


def _contents(root: Path, pattern: str) -> Iterator[bytes]:
    common = (path for name in COMMON if (path := root / name).is_file())
    # A hidden directory is no package: .run has the collected files of this checkout.
    packages = (path for path in _files(root, pattern) if not path.relative_to(root).parts[0].startswith("."))
    for path in (*packages, *common):
        yield str(path.relative_to(root)).encode()
        yield path.read_bytes()


def _files(directory: Path, pattern: str) -> list[Path]:
    return sorted(path for path in directory.glob(pattern) if path.is_file())


def _digest(pieces: Iterable[bytes]) -> str:
    # Each piece is hashed first: pieces of variable length, joined, could be cut in another way.
    return hashlib.sha256(b"".join(hashlib.sha256(piece).digest() for piece in pieces)).hexdigest()
