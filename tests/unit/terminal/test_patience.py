"""Who may wait for the database: so many at a time, and nobody while it is known to hang."""

import threading

import psycopg
import pytest

from terminal.postgres.patience import DatabaseAwayError, Patience


def test_no_more_than_so_many_wait_at_a_time() -> None:
    patience = Patience(statement_seconds=1.0, connections=2)
    give_back = patience.take_slot()
    patience.take_slot()

    with pytest.raises(DatabaseAwayError, match="all 2 connections of this process are busy"):
        patience.take_slot()
    give_back()

    patience.take_slot()


def test_one_who_waited_in_vain_spares_the_others_until_there_is_an_answer() -> None:
    patience = Patience(statement_seconds=1.0, connections=2)
    answers, asked, freed = threading.Event(), threading.Event(), threading.Event()

    def ask() -> None:
        asked.set()
        if not answers.is_set():
            raise psycopg.OperationalError("no answer")

    patience.lose(ask)
    patience.lose(ask)
    assert asked.wait(5)
    with pytest.raises(DatabaseAwayError, match="does not answer"):
        patience.take_slot()

    answers.set()

    def take() -> None:
        while not freed.is_set():
            try:
                patience.take_slot()()
            except DatabaseAwayError:
                continue
            freed.set()

    threading.Thread(target=take, daemon=True).start()
    assert freed.wait(5)
