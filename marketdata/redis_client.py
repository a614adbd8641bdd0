"""STORE. The Redis client of code that may block: pooled, with one deadline for all the waits of a request.

The kernel accepts connections and acknowledges bytes for a Redis that hangs, so each command waits for the whole
timeout. A write has several of them after its commit (a nudge to the owners, notices to browsers), and their timeouts
would add up. Circuit breaker: after one timeout, every call of this process is refused at once for OPEN_SECONDS. Then
one call tries; the others are refused until it ends. So a request waits for a hanging Redis at most once. A Redis that
is down refuses connections itself, and a slow one answers within the timeout: neither opens the breaker.
"""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

# Chosen: a Redis that returns is used again after at most this time, and while it hangs one call in two seconds waits.
OPEN_SECONDS: Final = 1.0


class RedisRefused(redis.ConnectionError):
    """Refused without asking Redis: it did not answer another call a moment ago."""


def timeout_seconds() -> float:
    """Return how long a call waits for Redis (`REDIS_TIMEOUT_MS`)."""
    return float(settings.REDIS_TIMEOUT_MS) / 1_000


class RedisBreaker:
    """The circuit breaker of one process: `timeout` and `clock` in seconds; the clock never goes back."""

    def __init__(self, *, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._next_try_at: float | None = None  # None: closed

    def admit(self) -> None:
        """Return if a call may be made now. Raises RedisRefused."""
        if self._next_try_at is None:
            return
        now = self._clock()
        if now < self._next_try_at:
            raise RedisRefused("Redis does not answer; it is tried again within seconds")
        # This call is the one that tries. No lock: if two threads pass at once, two calls wait instead of one.
        self._next_try_at = now + self._timeout + OPEN_SECONDS

    def note_timeout(self) -> None:
        """Open the breaker: a call got no answer in time."""
        if self._next_try_at is None:
            logger.warning("no answer from Redis in time: calls are refused until one succeeds")
        self._next_try_at = self._clock() + OPEN_SECONDS

    def note_answer(self) -> None:
        """Close the breaker."""
        if self._next_try_at is not None:
            self._next_try_at = None
            logger.warning("Redis answers again")


class _Pool(redis.ConnectionPool):
    """A pool whose connections obey and inform the breaker of its address."""

    breaker: RedisBreaker

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """Return a connection for one command. Raises RedisRefused, redis.ConnectionError, redis.TimeoutError."""
        self.breaker.admit()
        try:
            return super().get_connection(*args, **options)
        except redis.TimeoutError:
            self.breaker.note_timeout()
            raise


def _informing(connection_class: Any, breaker: RedisBreaker) -> Any:
    """Return this class of connections (TCP, TLS or Unix socket), whose answers and timeouts inform `breaker`."""

    class InformingConnection(connection_class):  # type: ignore[misc]  # The base depends on the address.
        def read_response(self, *args: Any, **options: Any) -> Any:
            try:
                answer = super().read_response(*args, **options)
            except redis.TimeoutError:
                breaker.note_timeout()
                raise
            breaker.note_answer()
            return answer

    return InformingConnection


def breaker_of(url: str) -> RedisBreaker:
    """Return the breaker of this process for this address."""
    return _breaker_of(url, timeout_seconds())


def pooled_client(url: str) -> redis.Redis:
    """Return the client for code that may block; one per process, address and timeout."""
    return _pooled_client(url, timeout_seconds())


@functools.cache
def _breaker_of(url: str, timeout: float) -> RedisBreaker:  # noqa: ARG001  the address is part of the key
    return RedisBreaker(timeout=timeout)


@functools.cache
def _pooled_client(url: str, timeout: float) -> redis.Redis:
    breaker = _breaker_of(url, timeout)
    pool = _Pool.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
    pool.breaker = breaker
    pool.connection_class = _informing(pool.connection_class, breaker)
    return redis.Redis(connection_pool=pool)
