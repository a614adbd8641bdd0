"""Recent write failures of the database: with a full disk it still answers reads."""

import time
from typing import Final

# PostgreSQL manual, appendix A: disk_full, io_error, and internal_error, which a file size limit or quota causes.
STATES: Final = frozenset({"53100", "58030", "XX000"})
# Chosen: longer than the interval of the periodic writes (10 s), so a full disk stays visible without a gap.
LATELY_SECONDS: Final = 60.0


def is_refusal(error: BaseException) -> bool:
    """Whether a Django database error means that the server could not write."""
    return getattr(error.__cause__, "sqlstate", None) in STATES


class Refusals:
    """Time of the last write failure of this process."""

    def __init__(self) -> None:
        self._at: float | None = None

    def note(self) -> None:
        """Record a write failure now."""
        self._at = time.monotonic()

    def is_recent(self) -> bool:
        """Whether a write failed in the last LATELY_SECONDS."""
        return self._at is not None and time.monotonic() - self._at < LATELY_SECONDS


refusals: Final = Refusals()
