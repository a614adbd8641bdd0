"""The circuit breaker limits concurrent database connections and refuses all while the database hangs."""

import threading

import psycopg
import pytest

from terminal.postgres.circuit_breaker import CircuitBreaker, DatabaseUnavailable


def test_the_number_of_concurrent_connections_is_limited() -> None:
    breaker = CircuitBreaker(statement_seconds=1.0, connections=2)
    release_slot = breaker.acquire_slot()
    breaker.acquire_slot()

    with pytest.raises(DatabaseUnavailable, match="all 2 connections of this process are busy"):
        breaker.acquire_slot()
    release_slot()

    breaker.acquire_slot()


def test_a_thread_that_waits_for_a_slot_is_refused_when_the_database_stops_answering() -> None:
    breaker = CircuitBreaker(statement_seconds=1.0, connections=1)
    release_slot, begins, ends = breaker.acquire_slot(), threading.Event(), threading.Event()
    refusals: list[str] = []

    def take() -> None:
        begins.set()
        with pytest.raises(DatabaseUnavailable) as refusal:
            breaker.acquire_slot()
        refusals.append(str(refusal.value))

    def probe() -> None:
        ends.wait(10)

    thread = threading.Thread(target=take)
    thread.start()
    assert begins.wait(5)
    breaker.trip(probe)
    release_slot()
    thread.join(5)
    ends.set()

    assert refusals == ["the database does not answer; it is probed every half second"]


def test_after_a_timeout_connections_are_refused_until_a_probe_succeeds() -> None:
    breaker = CircuitBreaker(statement_seconds=1.0, connections=2)
    answers, probed, freed = threading.Event(), threading.Event(), threading.Event()

    def probe() -> None:
        probed.set()
        if not answers.is_set():
            raise psycopg.OperationalError("no answer")

    breaker.trip(probe)
    breaker.trip(probe)
    assert probed.wait(5)
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        breaker.acquire_slot()

    answers.set()

    def take() -> None:
        while not freed.is_set():
            try:
                breaker.acquire_slot()()
            except DatabaseUnavailable:
                continue
            freed.set()

    threading.Thread(target=take, daemon=True).start()
    assert freed.wait(5)
