"""Many who would renew one token at once, staff who enter one meanwhile, and a database that goes away: one renewal."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from pytest_django import Settings

from marketdata import selectors, services
from marketdata.dhan.credentials import Credentials
from marketdata.services import Renewal
from marketdata.services.access_token import CURRENT_LOCK, RENEWAL_LOCK
from tests.brokers import Broker
from tests.integration.marketdata.broker_accounts import HOUR, US, broker_of_ours, store
from tests.jwts import make_jwt
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

OURS = "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
"""Other tests use the same server, each in a database of its own; locks are seen of all of them."""


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    with broker_of_ours(settings) as broker:
        yield broker


def test_five_who_ask_at_once_are_one_renewal(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())
    broker.answer(200, {"accessToken": make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)})
    broker.may_answer.clear()
    start = threading.Barrier(5)

    with ThreadPoolExecutor(max_workers=5) as threads:
        asked = [threads.submit(_renew_in_a_session_of_its_own, start) for _ in range(5)]
        try:
            wait_until(lambda: sum(one.done() for one in asked) == 4, seconds=20, message="four have gone away")
        finally:
            broker.may_answer.set()
        results = sorted(one.result(timeout=20) for one in asked)

    assert results == sorted([Renewal.DONE] + [Renewal.BUSY] * 4)
    assert len(broker.requests) == 1
    assert services.renew_token(now=timezone.now()) is Renewal.NOT_DUE


def test_five_who_ask_a_broker_that_answers_promptly_are_one_renewal_too(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())
    broker.answer(200, {"accessToken": make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)})
    start = threading.Barrier(5)

    with ThreadPoolExecutor(max_workers=5) as threads:
        asked = [threads.submit(_renew_in_a_session_of_its_own, start) for _ in range(5)]
        results: Sequence[Renewal] = [one.result(timeout=20) for one in asked]

    assert results.count(Renewal.DONE) == len(broker.requests) == 1
    assert not {Renewal.FAILED, Renewal.OVERTAKEN} & set(results)


def test_who_gets_the_lock_looks_again_whether_it_is_still_due(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())

    with ThreadPoolExecutor(max_workers=1) as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CURRENT_LOCK])
            asked = threads.submit(_renew_in_a_session_of_its_own, threading.Barrier(1))
            wait_until(_is_anyone_waiting_to_look, seconds=20, message="somebody has the lock of renewals")
            store(make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US), now=timezone.now())
        result = asked.result(timeout=20)

    assert result is Renewal.NOT_DUE
    assert broker.requests == []


def _is_anyone_waiting_to_look() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM pg_locks WHERE {OURS} AND objid = %s AND NOT granted",  # noqa: S608
            [CURRENT_LOCK],
        )
        return bool(cursor.fetchone()[0])


def test_a_token_that_staff_enter_during_a_renewal_stays(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())
    broker.answer(200, {"accessToken": make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)})
    broker.may_answer.clear()

    with ThreadPoolExecutor(max_workers=1) as threads:
        asked = threads.submit(_renew_in_a_session_of_its_own, threading.Barrier(1))
        try:
            wait_until(lambda: len(broker.requests) == 1, seconds=20, message="the broker was asked")
            store("entered-meanwhile-by-staff", now=timezone.now())
        finally:
            broker.may_answer.set()
        result = asked.result(timeout=20)

    assert result is Renewal.OVERTAKEN
    assert selectors.read_credentials() == Credentials(US, "entered-meanwhile-by-staff")


def test_a_new_token_is_kept_though_the_database_dropped_who_asked_for_it(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())
    new = make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)
    broker.answer(200, {"accessToken": new})
    broker.may_answer.clear()

    with ThreadPoolExecutor(max_workers=1) as threads:
        asked = threads.submit(_renew_in_a_session_of_its_own, threading.Barrier(1))
        try:
            wait_until(lambda: len(broker.requests) == 1, seconds=20, message="the broker was asked")
            assert _drop_who_renews() == 1
        finally:
            broker.may_answer.set()
        result = asked.result(timeout=20)

    assert result is Renewal.DONE
    assert selectors.read_credentials() == Credentials(US, new)


def _drop_who_renews() -> int:
    """End the database session that holds the lock of renewals; return how many did."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {OURS} AND objid = %s AND granted",  # noqa: S608
            [RENEWAL_LOCK],
        )
        return len(cursor.fetchall())


def _renew_in_a_session_of_its_own(start: threading.Barrier) -> Renewal:
    try:
        start.wait(20)
        return services.renew_token(now=timezone.now())
    finally:
        connections.close_all()
