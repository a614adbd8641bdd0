"""Which silent instruments the next snapshot request names.

Theory of operation. The broker can refuse or spoil a whole request because of one instrument. No request is repeated
unchanged:

1. After a failure the next request names at most half as many instruments, those with the fewest failures first. Each
   answer doubles the number again. So the requests close in on the instrument that spoils them, and the others are
   answered meanwhile.
2. An instrument that fails alone waits, twice as long each time. After MOST_ATTEMPTS it is requested no more until it
   has left the silent set.

An answered instrument is not requested again, with or without an item in the answer. Times are arguments.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

# Chosen: with the waits below about 50 minutes, longer than a maintenance of the broker's REST side.
MOST_ATTEMPTS: Final = 10
FIRST_WAIT_SECONDS: Final = 15.0  # Chosen: short, since the instrument shows a dash meanwhile.
LONGEST_WAIT_SECONDS: Final = 600.0  # Chosen: six requests an hour are no load.


class SnapshotBatches:
    """The requests so far, and the next one. Instruments are database ids."""

    def __init__(self, *, most: int) -> None:
        self._most = self._size = most
        self._answered: set[int] = set()
        self._failures: Counter[int] = Counter()
        self._failures_alone: Counter[int] = Counter()
        self._due_at: dict[int, float] = {}

    def choose(self, silent: Iterable[int], *, now: float) -> Sequence[int]:
        """Return the instruments of the next request, in the order of `silent` where they failed equally often."""
        due = [
            one
            for one in silent
            if one not in self._answered
            and self._failures_alone[one] < MOST_ATTEMPTS
            and self._due_at.get(one, now) <= now
        ]
        return sorted(due, key=self._failures.__getitem__)[: self._size]

    def note_answered(self, batch: Collection[int]) -> None:
        """Record a request that was answered, whatever the answer contains."""
        self._size = min(self._most, self._size * 2)
        self._answered.update(batch)

    def note_failed(self, batch: Collection[int], *, now: float) -> None:
        """Record a request that failed as a whole."""
        self._size = max(1, len(batch) // 2)
        self._failures.update(batch)
        if len(batch) == 1:
            (one,) = batch
            self._failures_alone[one] += 1
            wait = FIRST_WAIT_SECONDS * 2.0 ** self._failures_alone[one]
            self._due_at[one] = now + min(wait, LONGEST_WAIT_SECONDS)

    def retain(self, silent: Collection[int]) -> None:
        """Forget all other instruments: one that becomes silent again, on a later socket, is requested again."""
        self._answered.intersection_update(silent)
        for known in (self._failures, self._failures_alone, self._due_at):
            for one in known.keys() - silent:
                del known[one]
