"""Wait while a supervisor of `devstack` works: it checks its programs only during such a wait."""

import time
from collections.abc import Callable

from devstack.supervisor import Supervisor


def wait_supervised(supervisor: Supervisor, condition: Callable[[], bool], *, seconds: float) -> None:
    """Run the supervisor until `condition` holds. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds

    def is_so() -> bool:
        assert time.monotonic() < deadline
        return condition()

    supervisor.wait_until(is_so, every_seconds=0.1)
