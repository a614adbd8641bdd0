"""Which silent instruments the next snapshot request names.

Theory of operation. The broker can refuse or spoil a whole request because of one instrument, and its answer can lack
instruments or values. No request is repeated unchanged at once:

1. Instruments whose requests failed are requested in halves of those that failed equally often, after all that failed
   less often. So the requests close in on the instrument that spoils them, and the others are answered meanwhile.
2. An instrument that fails alone waits, twice as long each time. After MOST_FAILURES_ALONE it is given up.
3. An instrument that is still silent after an answer waits in the same way, and is given up after MOST_ANSWERS. It
   shares its requests with others, after those that were never answered.

An instrument that left the silent set, since a snapshot or the feed gave all of it, is forgotten: if it becomes silent
again, on a later socket or in the next session, its waits start again. Times are arguments.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from marketdata.domain.backoff import seconds_after
from marketdata.domain.price_requests import choose_batch

# Chosen: with the waits below about 45 minutes, longer than a maintenance of the broker's REST side. Each attempt is a
# request of its own.
MOST_FAILURES_ALONE: Final = 10
# Chosen: with the waits below about 16 hours, longer than the longest session, that of MCX. Up to a thousand
# instruments share each of these requests.
MOST_ANSWERS: Final = 100
FIRST_WAIT_SECONDS: Final = 15.0  # Chosen: short, since the instrument shows a dash meanwhile.
LONGEST_WAIT_SECONDS: Final = 600.0  # Chosen: six requests an hour are no load.


class SnapshotBatches:
    """The requests so far, and the next one. Instruments are database ids."""

    def __init__(self, *, most: int, first_wait_seconds: float = FIRST_WAIT_SECONDS) -> None:
        self._most = most
        self._first_wait_seconds = first_wait_seconds
        self._answers: Counter[int] = Counter()
        self._failures: Counter[int] = Counter()
        self._failures_alone: Counter[int] = Counter()
        self._due_at: dict[int, float] = {}

    def choose(self, silent: Iterable[int], *, now: float) -> Sequence[int]:
        """Return the instruments of the next request, in the order of `silent` where nothing else decides."""
        due = [one for one in silent if self._due_at.get(one, now) <= now]
        batch = choose_batch(sorted(due, key=self._answers.__getitem__), self._failures)
        # Where over a thousand failed, half of them is still more than one request.
        return batch[: max(1, self._most >> self._failures[batch[0]])] if batch else []

    def note_answered(self, batch: Collection[int], *, now: float) -> None:
        """Record a request that was answered, whatever the answer contains; the rest waits if it stays silent."""
        self._answers.update(batch)
        for one in batch:
            self._wait(one, after=self._answers[one], most=MOST_ANSWERS, now=now)

    def note_failed(self, batch: Collection[int], *, now: float) -> None:
        """Record a request that failed as a whole."""
        self._failures.update(batch)
        if len(batch) == 1:
            (one,) = batch
            self._failures_alone[one] += 1
            self._wait(one, after=self._failures_alone[one], most=MOST_FAILURES_ALONE, now=now)

    def retain(self, silent: Collection[int]) -> None:
        """Forget all other instruments."""
        for known in (self._answers, self._failures, self._failures_alone, self._due_at):
            for one in known.keys() - silent:
                del known[one]

    def _wait(self, one: int, *, after: int, most: int, now: float) -> None:
        wait = seconds_after(after, first=self._first_wait_seconds, longest=LONGEST_WAIT_SECONDS)
        self._due_at[one] = now + wait if after < most else math.inf
