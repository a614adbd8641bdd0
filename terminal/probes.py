"""Questions to servers that may hang, with one deadline for all of them.

Each question runs in a daemon thread of its own. A database question that misses the deadline is given up: its
socket is shut down under it, which wakes the thread, so that asking a frozen server every second piles up
nothing. Redis questions end by the store's own timeouts. What the answers mean is not known here.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Final, Protocol

import psycopg
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from marketdata.quote_board import BoardError

STATEMENT_TIMEOUT_MS: Final = 1_000


class NoAnswer(Exception):
    """Why a question has no answer, in words for anyone."""


class Probe(Protocol):
    """A question, and how to stop asking it."""

    def ask(self) -> object:
        """Return the answer; runs in a thread of its own."""

    def give_up(self) -> None:
        """Wake the thread that asks, if it hangs; called from another thread."""


class BoardProbe:
    """A question to Redis; its timeouts end it."""

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read

    def ask(self) -> object:
        """Return what the question reads."""
        try:
            return self._read()
        except BoardError as error:
            raise NoAnswer(type(error).__name__) from error

    def give_up(self) -> None:
        """Leave the end to the store's timeouts."""


class DiskProbe:
    """A question to the file system, which may hang where it is another machine's."""

    def __init__(self, read: Callable[[], object]) -> None:
        self._read = read

    def ask(self) -> object:
        """Return what the question reads."""
        try:
            return self._read()
        except OSError as error:
            raise NoAnswer(type(error).__name__) from error

    def give_up(self) -> None:
        """Leave the thread to the kernel: nothing can wake it."""


class DatabaseProbe:
    """A question to PostgreSQL on a connection of its own."""

    def __init__(self, read: Callable[[], object], *, alias: str = DEFAULT_DB_ALIAS) -> None:
        self._read = read
        self._alias = alias
        self._connection: BaseDatabaseWrapper | None = None

    def ask(self) -> object:
        """Return what the question reads; the connection is the thread's own and closed at its end."""
        self._connection = connections[self._alias]
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, false)", [str(STATEMENT_TIMEOUT_MS)])
            return self._read()
        except Error as error:
            raise NoAnswer(type(error).__name__) from error
        finally:
            self._connection.close()

    def give_up(self) -> None:
        """Shut the socket down under the thread that waits at it."""
        held = self._connection.connection if self._connection else None
        if held is None or held.closed:
            return  # Still connecting: the connect timeout of the settings ends it.
        # It may end by itself meanwhile; then there is nothing to shut down.
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(held.fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)


def ask_all(probes: Mapping[str, Probe], *, seconds: float) -> dict[str, object]:
    """Return what each probe answered within `seconds`, or a NoAnswer."""
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
