"""How long the processes of the stack have waited for a CPU: what they show without one says nothing about them.

The kernel counts it for each thread (`/proc/PID/task/TID/schedstat`, Documentation/scheduler/sched-stats.rst: the
second number, in nanoseconds). A process that an act has frozen does not wait.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

WINDOW_SECONDS: Final = 5.0  # chosen: the longest time for which a live row may be late, with its slack
_SECONDS: Final = 1e-9  # of a nanosecond


@dataclass(slots=True)
class CpuWaits:
    """The waits of all threads at the samples of the last WINDOW_SECONDS."""

    _samples: deque[tuple[float, Mapping[int, float]]] = field(default_factory=deque)

    def add(self, waits: Mapping[int, float], *, now: float) -> float:
        """Add a sample; return the seconds for which the thread that waited longest did so in the window."""
        self._samples.append((now, waits))
        while self._samples[0][0] < now - WINDOW_SECONDS:
            self._samples.popleft()
        before = self._samples[0][1]
        # A thread that is new has waited since its start.
        return max((seconds - before.get(thread, 0.0) for thread, seconds in waits.items()), default=0.0)


def read_waits(processes: Iterable[int]) -> Mapping[int, float]:
    """Return the seconds that each thread of the processes has waited for a CPU since its start."""
    waits = {}
    for process in processes:
        for thread in Path(f"/proc/{process}/task").glob("*/schedstat"):
            try:
                waits[int(thread.parent.name)] = int(thread.read_text().split()[1]) * _SECONDS
            except OSError:  # It has ended.
                continue
    return waits
