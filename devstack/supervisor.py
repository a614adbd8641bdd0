"""Keeps programs alive, and ends them all in order.

A kept program that ends for whatever reason is started again after a growing delay
(`backoff`); one that promised signs of life and gives none is frozen, and killed first
(`life_signs`). The supervisor has one thread and keeps no state on disk: who is alive is
asked of the system each time it wakes.
"""

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from devstack.backoff import failures_after_death, restart_delay
from devstack.bell import Bell
from devstack.children import Child, Program, start
from devstack.life_signs import LifeSigns
from devstack.logs import last_lines, rotate_if_large

IDLE_SECONDS = 1.0
LOG_BYTES = 64 * 1024 * 1024  # one log more is kept of each program


class StopRequestedError(Exception):
    """The user wants the stack to stop while it is still coming up."""


@dataclass(slots=True)
class Post:
    """A program to be kept running, and how that is going."""

    program: Program
    child: Child
    signs: LifeSigns | None = None
    failures: int = 0
    restart_at: float | None = None


class Supervisor:
    def __init__(self, *, bell: Bell, report: Callable[[str], None]) -> None:
        self._bell = bell
        self._report = report
        self._chance = random.Random()  # noqa: S311  spreads restarts
        self._posts: list[Post] = []

    def keep(self, program: Program) -> Child:
        """Start `program` and keep it running from now on."""
        signs = None if program.silence_seconds is None else LifeSigns(program.silence_seconds)
        if signs is not None:
            program = replace(program, environment={**program.environment, **signs.environment})
        child = start(program)
        self._posts.append(Post(program=program, child=child, signs=signs))
        return child

    def run_step(self, program: Program, *, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Run `program` to its end, once, while the kept ones are looked after; return its exit code.

        `meanwhile` is called about once a second, and once when the program has ended.
        """
        child = start(program)

        def has_ended() -> bool:
            ended = child.has_ended()
            meanwhile()
            return ended

        try:
            self.wait_until(has_ended)
        finally:
            child.stop()
        return child.exit_code

    def wait_until(self, condition: Callable[[], bool], *, every_seconds: float = IDLE_SECONDS) -> None:
        """Look after the kept programs until `condition` holds; raise if the user wants to stop first."""
        while not condition():
            self.tick(time.monotonic())
            self._bell.wait(min(every_seconds, self._seconds_to_next_restart()))
            if self._bell.stops:
                raise StopRequestedError

    def run(self) -> None:
        """Look after the kept programs until the user wants to stop."""
        with suppress(StopRequestedError):
            self.wait_until(lambda: False)

    def tick(self, now: float) -> None:
        """Notice deaths, end whoever is frozen, and start again whoever's wait is over."""
        for post in self._posts:
            rotate_if_large(post.program.log, most_bytes=LOG_BYTES)
            if post.restart_at is None and post.signs is not None and post.signs.is_silent(now):
                self._report(f"{post.program.name} has given no sign of life for {post.program.silence_seconds:g} s")
                post.child.end_group()
            if post.restart_at is None and post.child.has_ended():
                self._note_death(post, now)
            if post.restart_at is not None and now >= post.restart_at:
                if post.signs is not None:
                    post.signs.begin()
                post.child = start(post.program)
                post.restart_at = None

    def _note_death(self, post: Post, now: float) -> None:
        post.child.end_group()
        post.failures = failures_after_death(post.failures, lived_seconds=now - post.child.started_at)
        delay = restart_delay(post.failures, draw=self._chance.random())
        post.restart_at = now + delay
        words = " | ".join(line.strip() for line in last_lines(post.program.log, count=3))
        how = describe_end(post.child.exit_code)
        self._report(f"{post.program.name} {how}; again in {delay:.1f} s. Its last words: {words or 'none'}")

    def _seconds_to_next_restart(self) -> float:
        waits = [post.restart_at - time.monotonic() for post in self._posts if post.restart_at is not None]
        return min(waits, default=IDLE_SECONDS)

    def stop_all(self) -> None:
        """End every program, stage by stage; a second wish to stop ends the patience."""
        by_stage = sorted(self._posts, key=lambda post: post.program.stop_stage)
        for _, posts in groupby(by_stage, key=lambda post: post.program.stop_stage):
            self._stop_together([post.child for post in posts])
        for post in self._posts:
            if post.signs is not None:
                post.signs.close()

    def _stop_together(self, children: list[Child]) -> None:
        asked_at = time.monotonic()
        for child in children:
            child.ask_to_stop()
        for child in children:
            while not child.has_ended() and not self._is_overdue(child, asked_at):
                self._bell.wait(0.1)
        for child in children:
            child.end_group()

    def _is_overdue(self, child: Child, asked_at: float) -> bool:
        is_hurried = self._bell.stops > 1 and not child.program.must_finish
        return is_hurried or time.monotonic() - asked_at > child.program.stop_seconds


def describe_end(code: int) -> str:
    """Say how a program ended, from its return code."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
