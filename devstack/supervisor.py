"""Supervises services: restarts each one that exits, and stops all of them in order.

A service that exits for any reason is restarted after a backoff (`backoff`). A service whose heartbeats stop is frozen
and is killed first (`heartbeat`). The supervisor has one thread and no state on disk: on each wake-up it asks the
system which children have exited.
"""

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from devstack.backoff import failures_after_exit, restart_delay
from devstack.children import Child, Program, start
from devstack.heartbeat import HeartbeatMonitor
from devstack.logs import last_lines, rotate_if_large
from devstack.signal_waiter import SignalWaiter

IDLE_SECONDS = 1.0  # chosen: heartbeat timeouts are checked this often; exits wake it at once by SIGCHLD
LOG_BYTES = 64 * 1024 * 1024  # chosen: days of ordinary lines, and still opened by any editor


class StopRequestedError(Exception):
    """The user stops the stack while it is still starting."""


@dataclass(slots=True)
class Service:
    """A supervised program and its present state."""

    program: Program
    child: Child
    heartbeat: HeartbeatMonitor | None = None
    failures: int = 0
    restart_at: float | None = None


class Supervisor:
    def __init__(self, *, signals: SignalWaiter, report: Callable[[str], None]) -> None:
        self._signals = signals
        self._report = report
        self._random = random.Random()  # noqa: S311  spreads restarts
        self._services: list[Service] = []
        self._commands: list[Child] = []

    def supervise(self, program: Program) -> Child:
        """Start `program` and restart it from now on when it exits."""
        heartbeat = None
        if program.heartbeat_seconds is not None:
            heartbeat = HeartbeatMonitor(program.heartbeat_seconds, program.heartbeat_start_seconds)
            program = replace(program, environment={**program.environment, **heartbeat.environment})
        child = start(program)
        self._services.append(Service(program=program, child=child, heartbeat=heartbeat))
        return child

    def begin(self, program: Program) -> Child:
        """Start a command that ends by itself and is not restarted; `finish` waits for it."""
        child = start(program)
        self._commands.append(child)
        return child

    def finish(self, command: Child, *, on_check: Callable[[], None] = lambda: None) -> int:
        """Wait until a command exits, while the services are supervised; return its exit code.

        `on_check` is called about once a second, and once after the exit. Raises StopRequestedError.
        """

        def has_exited() -> bool:
            ended = command.has_exited()
            on_check()
            return ended

        self.wait_until(has_exited)
        command.kill_group()  # Reaps it.
        self._commands.remove(command)
        return command.exit_code

    def wait_until(self, condition: Callable[[], bool], *, every_seconds: float = IDLE_SECONDS) -> None:
        """Supervise until `condition` holds. Raises StopRequestedError if the user stops the stack before."""
        while not condition():
            self.tick(time.monotonic())
            self._signals.wait(min(every_seconds, self._seconds_to_next_restart()))
            if self._signals.stop_requests:
                raise StopRequestedError

    def run(self) -> None:
        """Supervise until the user stops the stack."""
        with suppress(StopRequestedError):
            self.wait_until(lambda: False)

    def tick(self, now: float) -> None:
        """Check every service once: kill it if its heartbeats stopped, schedule or perform its restart."""
        for service in self._services:
            rotate_if_large(service.program.log, most_bytes=LOG_BYTES)
            if service.restart_at is None and service.heartbeat is not None and service.heartbeat.has_timed_out(now):
                self._report(f"{service.program.name} sent no heartbeat for {service.heartbeat.limit_seconds:g} s")
                service.child.kill_group()
            # After the kill above this is true at once: frozen and exited services take the same path.
            if service.restart_at is None and service.child.has_exited():
                self._schedule_restart(service, now)
            if service.restart_at is not None and now >= service.restart_at:
                if service.heartbeat is not None:
                    service.heartbeat.reset(now)
                service.child = start(service.program)
                service.restart_at = None

    def _schedule_restart(self, service: Service, now: float) -> None:
        # Its descendants may still use its port or its connections.
        service.child.kill_group()
        service.failures = failures_after_exit(service.failures, uptime_seconds=now - service.child.started_at)
        delay = restart_delay(service.failures, random_fraction=self._random.random())
        service.restart_at = now + delay
        log_tail = " | ".join(line.strip() for line in last_lines(service.program.log, count=3))
        how = describe_exit(service.child.exit_code)
        self._report(f"{service.program.name} {how}; restart in {delay:.1f} s. End of its log: {log_tail or 'empty'}")

    def _seconds_to_next_restart(self) -> float:
        waits = [service.restart_at - time.monotonic() for service in self._services if service.restart_at is not None]
        return min(waits, default=IDLE_SECONDS)

    def stop_all(self) -> None:
        """Stop all programs, stage by stage. A second request to stop kills the rest at once, except `must_finish`."""
        children = [*self._commands, *(service.child for service in self._services)]
        by_stage = sorted(children, key=lambda child: child.program.stop_stage)
        for _, stage in groupby(by_stage, key=lambda child: child.program.stop_stage):
            self._stop_together(list(stage))
        for service in self._services:
            if service.heartbeat is not None:
                service.heartbeat.close()

    def _stop_together(self, children: list[Child]) -> None:
        asked_at = time.monotonic()
        for child in children:
            child.send_stop_signal()
        # Deadlines count from the common stop signal, so a stage takes as long as its slowest program.
        for child in children:
            while not child.has_exited() and not self._is_stop_overdue(child, asked_at):
                self._signals.wait(0.1)
        for child in children:
            child.kill_group()

    def _is_stop_overdue(self, child: Child, asked_at: float) -> bool:
        is_hurried = self._signals.stop_requests > 1 and not child.program.must_finish
        return is_hurried or time.monotonic() - asked_at > child.program.stop_seconds


def describe_exit(code: int) -> str:
    """Return how a program ended, from its return code."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
