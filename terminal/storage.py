"""Whether the database has refused lately to store something: its disk may be full while all can still be read."""

import time
from typing import Final

# Of PostgreSQL's error codes: disk full, I/O error, and what it calls internal: files beyond a limit or a quota.
STATES: Final = frozenset({"53100", "58030", "XX000"})
LATELY_SECONDS: Final = 60.0


def is_refusal(error: BaseException) -> bool:
    """Say whether Django's `error` means that the database could not write."""
    return getattr(error.__cause__, "sqlstate", None) in STATES


class Refusals:
    """When this process was last refused."""

    def __init__(self) -> None:
        self._at: float | None = None

    def note(self) -> None:
        """Remember that it was just now."""
        self._at = time.monotonic()

    def is_recent(self) -> bool:
        """Say whether one came within the last minute."""
        return self._at is not None and time.monotonic() - self._at < LATELY_SECONDS


refusals: Final = Refusals()
