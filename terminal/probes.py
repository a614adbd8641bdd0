"""Reads from servers that may hang, under one common deadline.

Each probe runs in a separate daemon thread. If a database probe misses the deadline, its socket is shut down. This
wakes the thread, so threads do not accumulate while a server is frozen. Redis probes end by the store's timeouts.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# Chosen: below DEADLINE_SECONDS of /health, so that a slow but healthy server ends the statement itself.
STATEMENT_TIMEOUT_MS: Final = 1_000


class NoAnswer(Exception):
    """The reason why a probe has no answer; safe to show to anonymous users."""


class Probe:
    """A read that may raise `failure`, in a separate thread.

    Nothing aborts it: the timeouts of the store end a read from Redis, and no call can wake a thread that waits for the
    file system, which can hang on a network.
    """

    def __init__(self, read: Callable[[], object], failure: type[Exception]) -> None:
        self._read = read
        self._failure = failure

    def ask(self) -> object:
        """Return the reading. Raises NoAnswer."""
        try:
            return self._read()
        except self._failure as error:
            raise NoAnswer(type(error).__name__) from error

    def give_up(self) -> None:
        """Wake the thread of `ask` if it hangs and can be woken; called from another thread."""


class DatabaseProbe(Probe):
    """A read from PostgreSQL in one transaction, on a connection of its own thread."""

    def __init__(self, read: Callable[[], object]) -> None:
        super().__init__(partial(self._read_within_timeout, read), Error)
        self._connection: BaseDatabaseWrapper | None = None

    def _read_within_timeout(self, read: Callable[[], object]) -> object:
        """Return the reading; the connection belongs to this thread and is closed afterwards."""
        self._connection = connections[DEFAULT_DB_ALIAS]
        try:
            # For the transaction only: a pooled connection returns to requests, which have another limit.
            with transaction.atomic(), self._connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(STATEMENT_TIMEOUT_MS)])
                return read()
        finally:
            self._connection.close()

    def give_up(self) -> None:
        """Shut down the socket on which the thread waits."""
        held = self._connection.connection if self._connection else None
        if held is None or held.closed:
            return  # Not connected yet: the connect timeout of the settings ends the attempt.
        # The read can end between the check and the shutdown; `dup` keeps the descriptor valid until then.
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(held.fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)


def ask_all(probes: Mapping[str, Probe], *, seconds: float) -> dict[str, object]:
    """Run all probes in parallel; return the answer of each, or a NoAnswer after `seconds`."""
    asked = {name: _start(probe) for name, probe in probes.items()}
    wait(asked.values(), timeout=seconds)
    return {name: _outcome(future, probes[name], seconds) for name, future in asked.items()}


def _start(probe: Probe) -> "Future[object]":
    future: Future[object] = Future()

    def run() -> None:
        try:
            future.set_result(probe.ask())
        except NoAnswer as reason:
            future.set_exception(reason)

    threading.Thread(target=run, name="health", daemon=True).start()
    return future


def _outcome(future: "Future[object]", probe: Probe, seconds: float) -> object:
    if not future.done():
        probe.give_up()
        return NoAnswer(f"no answer within {seconds:g} s")
    reason = future.exception()
    return future.result() if reason is None else reason
