"""Waiting for what other processes do: a condition with a deadline."""

import select
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: str, question: Callable[[], T | None], *, seconds: float = 10.0) -> T:
    """Ask until the answer is neither None nor False; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        select.select([], [], [], 0.02)
