"""Who may wait for the database: so many at a time, and nobody while it is known to hang."""

import threading

import psycopg
import pytest

from terminal.postgres.circuit_breaker import CircuitBreaker, DatabaseUnavailable


def test_no_more_than_so_many_wait_at_a_time() -> None:
    breaker = CircuitBreaker(statement_seconds=1.0, connections=2)
    release_slot = breaker.acquire_slot()
    breaker.acquire_slot()

    with pytest.raises(DatabaseUnavailable, match="all 2 connections of this process are busy"):
        breaker.acquire_slot()
    release_slot()

    breaker.acquire_slot()


def test_one_who_waited_in_vain_spares_the_others_until_there_is_an_answer() -> None:
    breaker = CircuitBreaker(statement_seconds=1.0, connections=2)
    answers, asked, freed = threading.Event(), threading.Event(), threading.Event()

    def probe() -> None:
        asked.set()
        if not answers.is_set():
            raise psycopg.OperationalError("no answer")

    breaker.trip(probe)
    breaker.trip(probe)
    assert asked.wait(5)
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
