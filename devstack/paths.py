"""Where the runner keeps things.

`.run/` in the checkout holds everything: secrets, logs, and the servers' home with their
data. Only when the servers run under another account (see `privileges`) that cannot reach
the checkout does their home move outside, with a link `.run/servers` pointing there. The
outside name depends on the checkout's path and on an id kept in `.run/`, so a copied or a
fresh checkout never meets another's data.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackError
from devstack.privileges import Account, is_reachable
from devstack.secret_files import load_or_create_secret

# Persistent state of root's programs belongs in /var/lib; /var/tmp is swept by some systems.
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
    """Return the directory name that stands for this checkout where several share a parent."""
    return hashlib.sha256(f"{root}\0{checkout_id}".encode()).hexdigest()[:12]


def prepare_paths(root: Path, account: Account | None) -> Paths:
    """Create what is missing and return where everything is."""
    run = root / ".run"
    run.mkdir(exist_ok=True)
    if not os.access(run, os.W_OK):
        raise DevstackError(f"{run} belongs to another user; remove it, or run as that user.")
    # Another account must be able to pass through to its data, but not to list.
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
    raise DevstackError("The checkout is closed to the servers' account, and neither /var/lib nor /var/tmp is open.")


def _make_own_directory(path: Path) -> None:
    """Create `path`, or accept it only if it is a real directory of ours: the parent may be open to all."""
    path.mkdir(mode=0o711, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise DevstackError(f"{path} exists but is not a directory of this user; remove it.")
    path.chmod(0o711)
