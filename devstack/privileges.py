"""Which operating-system account the database servers run as, and what it can reach.

PostgreSQL refuses to run as root, so as root both servers run as `nobody`. That account
may be unable to reach a checkout below a closed directory; `is_reachable` tells, and
`paths` then chooses somewhere else. Nothing here changes a directory's permissions.
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
    """Who owns a directory and who may pass through it."""

    uid: int
    gid: int
    mode: int


def server_account(*, euid: int) -> Account | None:
    """Return the account servers must run as, or None where they run as ourselves."""
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
    """Say whether `account`, without supplementary groups, may pass through all of `directories`."""
    return all(_may_pass_one(account, directory) for directory in directories)


def _may_pass_one(account: Account, directory: Ownership) -> bool:
    if directory.uid == account.uid:
        return bool(directory.mode & S_IXUSR)
    if directory.gid == account.gid:
        return bool(directory.mode & S_IXGRP)
    return bool(directory.mode & S_IXOTH)


def is_reachable(path: Path, account: Account | None) -> bool:
    """Say whether `account` can get at `path` through all directories above it; None always can."""
    if account is None:
        return True
    resolved = path.resolve()
    directories = [resolved, *resolved.parents] if resolved.is_dir() else list(resolved.parents)
    return may_pass(account, [_ownership(directory) for directory in directories])


def _ownership(directory: Path) -> Ownership:
    status = directory.stat()
    return Ownership(uid=status.st_uid, gid=status.st_gid, mode=status.st_mode)


def give_to(path: Path, account: Account | None) -> None:
    """Make `account` the owner of `path` and everything below it."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid)
    for folder, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.chown(Path(folder, name), account.uid, account.gid, follow_symlinks=False)
