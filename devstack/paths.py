"""The directories of the runner.

`.run/` in the checkout contains everything: secrets, logs, and the home of the servers with their data. The home is
outside the checkout only if the servers run under another account (`privileges`) that cannot reach the checkout;
`.run/servers` is then a link to it. The name of an external home depends on the path of the checkout and on an id in
`.run/`, so a copied or recreated checkout never uses the data of another.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackError
from devstack.privileges import Account, is_reachable
from devstack.secret_files import load_or_create_secret

# /var/lib is the place for persistent state of root's programs (FHS 3.0, 5.8); some systems clean /var/tmp.
EXTERNAL_PARENTS = (Path("/var/lib/broking-terminal"), Path("/var/tmp/broking-terminal"))  # noqa: S108  fallback, checked below
LINK_NAME = "servers"


@dataclass(frozen=True, slots=True)
class Paths:
    root: Path  # the checkout
    run: Path  # secrets and logs, ours alone
    home: Path  # binaries and data of the servers, reachable by their account

    @property
    def logs(self) -> Path:
        return self.run / "logs"


def external_directory_name(root: Path, checkout_id: str) -> str:
    """Return the name of this checkout's home in a parent that several checkouts share."""
    return hashlib.sha256(f"{root}\0{checkout_id}".encode()).hexdigest()[:12]


def prepare_paths(root: Path, account: Account | None) -> Paths:
    """Create missing directories and return all paths. Raises DevstackError if one belongs to another user."""
    run = root / ".run"
    run.mkdir(exist_ok=True)
    if not os.access(run, os.W_OK):
        raise DevstackError(f"{run} belongs to another user; remove it, or run as that user.")
    # 0711: the account of the servers may pass through to its data, but may not list the directory.
    run.chmod(0o700 if account is None else 0o711)
    (run / "logs").mkdir(mode=0o700, exist_ok=True)
    home = run if is_reachable(run, account) else _prepare_external(root, run, account)
    return Paths(root=root, run=run, home=home)


def _prepare_external(root: Path, run: Path, account: Account | None) -> Path:
    parent = _external_parent(account)
    home = parent / external_directory_name(root, load_or_create_secret(run / "checkout-id", length_bytes=9))
    _make_own_directory(home)
    link = run / LINK_NAME
    if link.is_symlink() and link.readlink() != home:
        link.unlink()
    if not link.is_symlink():
        link.symlink_to(home)
    return home


def _external_parent(account: Account | None) -> Path:
    for parent in EXTERNAL_PARENTS:
        if is_reachable(parent.parent, account) and os.access(parent.parent, os.W_OK):
            _make_own_directory(parent)
            return parent
    raise DevstackError(
        "The servers' account cannot reach the checkout, and neither /var/lib nor /var/tmp is writable."
    )


def _make_own_directory(path: Path) -> None:
    """Create `path`. An existing one must be a real directory of this user: anyone may have made it in /var/tmp."""
    path.mkdir(mode=0o711, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise DevstackError(f"{path} exists but is not a directory of this user; remove it.")
    path.chmod(0o711)
