"""Generated secrets: one file each, readable by its owner only."""

import os
import secrets
from pathlib import Path


def load_or_create_secret(path: Path, *, length_bytes: int = 24) -> str:
    """Return the secret in `path`; generate it if the file does not exist."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(length_bytes))
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path`, which has mode 0600 from its creation, and replace the old file atomically."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    draft.replace(path)
