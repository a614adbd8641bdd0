"""The operating-system account of the database servers, and the paths that it can reach.

PostgreSQL refuses to run as root, so as root both servers run as `nobody`. That account may be unable to reach a
checkout below a closed directory. `is_reachable` finds out, and `paths` then chooses another place. Nothing here
changes permissions of a directory.
"""

import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from stat import S_IXGRP, S_IXOTH, S_IXUSR

from devstack.errors import DevstackError

SERVER_ACCOUNT = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Ownership:
    """Owner, group and permissions of a directory."""

    uid: int
    gid: int
    mode: int


def server_account(*, euid: int) -> Account | None:
    """Return the account of the servers; None means the present user. Raises DevstackError if it does not exist."""
    if euid != 0:
        return None
    try:
        entry = pwd.getpwnam(SERVER_ACCOUNT)
    except KeyError:
        raise DevstackError(
            f"Running as root needs the account '{SERVER_ACCOUNT}' for PostgreSQL; run as an ordinary user instead."
        ) from None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def may_pass(account: Account, directories: Iterable[Ownership]) -> bool:
    """Return whether `account`, without supplementary groups, may pass through all `directories`."""
    return all(_may_pass_one(account, directory) for directory in directories)


def _may_pass_one(account: Account, directory: Ownership) -> bool:
    # Only the closest class counts (path_resolution(7)): an owner without the bit is refused even if others have it.
    if directory.uid == account.uid:
        return bool(directory.mode & S_IXUSR)
    if directory.gid == account.gid:
        return bool(directory.mode & S_IXGRP)
    return bool(directory.mode & S_IXOTH)


def is_reachable(path: Path, account: Account | None) -> bool:
    """Return whether `account` may pass through all directories to `path`; the present user, None, always may."""
    if account is None:
        return True
    resolved = path.resolve()
    directories = [resolved, *resolved.parents] if resolved.is_dir() else list(resolved.parents)
    return may_pass(account, [_ownership(directory) for directory in directories])


def _ownership(directory: Path) -> Ownership:
    status = directory.stat()
    return Ownership(uid=status.st_uid, gid=status.st_gid, mode=status.st_mode)


def give_to(path: Path, account: Account | None) -> None:
    """Make `account` the owner of `path` and everything below; nothing for None."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid)
    for folder, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.chown(Path(folder, name), account.uid, account.gid, follow_symlinks=False)
