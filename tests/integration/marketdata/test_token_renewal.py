"""Concurrent renewals of one token, a token entered during a renewal, and a lost database session."""

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
from tests.integration.marketdata.broker_accounts import HOUR, US, running_account_broker, store
from tests.jwts import make_jwt
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

OURS = "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
"""Tests that run in parallel use other databases of this server, and pg_locks shows the locks of all databases."""


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    with running_account_broker(settings) as broker:
        yield broker


def test_five_concurrent_renewals_make_one_request(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())
    broker.answer(200, {"accessToken": make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)})
    broker.may_answer.clear()
    start = threading.Barrier(5)

    with ThreadPoolExecutor(max_workers=5) as threads:
        renewals = [threads.submit(_renew_in_new_database_session, start) for _ in range(5)]
        try:
            wait_until(lambda: sum(one.done() for one in renewals) == 4, seconds=20, message="four renewals have ended")
        finally:
            broker.may_answer.set()
        results = sorted(one.result(timeout=20) for one in renewals)

    assert results == sorted([Renewal.DONE] + [Renewal.BUSY] * 4)
    assert len(broker.requests) == 1
    assert services.renew_token(now=timezone.now()) is Renewal.NOT_DUE


def test_five_concurrent_renewals_make_one_request_when_the_broker_answers_at_once(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())
    broker.answer(200, {"accessToken": make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)})
    start = threading.Barrier(5)

    with ThreadPoolExecutor(max_workers=5) as threads:
        renewals = [threads.submit(_renew_in_new_database_session, start) for _ in range(5)]
        results: Sequence[Renewal] = [one.result(timeout=20) for one in renewals]

    assert results.count(Renewal.DONE) == len(broker.requests) == 1
    assert not {Renewal.FAILED, Renewal.OVERTAKEN} & set(results)


def test_a_renewal_checks_the_expiry_again_after_it_gets_the_lock(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())

    with ThreadPoolExecutor(max_workers=1) as threads:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CURRENT_LOCK])
            renewal = threads.submit(_renew_in_new_database_session, threading.Barrier(1))
            wait_until(
                _is_current_lock_awaited, seconds=20, message="the renewal waits for the lock of the current token"
            )
            store(make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US), now=timezone.now())
        result = renewal.result(timeout=20)

    assert result is Renewal.NOT_DUE
    assert broker.requests == []


def _is_current_lock_awaited() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM pg_locks WHERE {OURS} AND objid = %s AND NOT granted",  # noqa: S608
            [CURRENT_LOCK],
        )
        return bool(cursor.fetchone()[0])


def test_a_token_entered_during_a_renewal_is_not_replaced(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())
    broker.answer(200, {"accessToken": make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)})
    broker.may_answer.clear()

    with ThreadPoolExecutor(max_workers=1) as threads:
        renewal = threads.submit(_renew_in_new_database_session, threading.Barrier(1))
        try:
            wait_until(lambda: len(broker.requests) == 1, seconds=20, message="the broker has received the request")
            store("entered-meanwhile-by-staff", now=timezone.now())
        finally:
            broker.may_answer.set()
        result = renewal.result(timeout=20)

    assert result is Renewal.OVERTAKEN
    assert selectors.read_credentials() == Credentials(US, "entered-meanwhile-by-staff")


def test_a_renewed_token_is_stored_although_the_database_session_ended(broker: Broker) -> None:
    store(make_jwt(expires_at=timezone.now() + HOUR, client_id=US), now=timezone.now())
    new = make_jwt(expires_at=timezone.now() + 24 * HOUR, client_id=US)
    broker.answer(200, {"accessToken": new})
    broker.may_answer.clear()

    with ThreadPoolExecutor(max_workers=1) as threads:
        renewal = threads.submit(_renew_in_new_database_session, threading.Barrier(1))
        try:
            wait_until(lambda: len(broker.requests) == 1, seconds=20, message="the broker has received the request")
            assert _end_renewal_session() == 1
        finally:
            broker.may_answer.set()
        result = renewal.result(timeout=20)

    assert result is Renewal.DONE
    assert selectors.read_credentials() == Credentials(US, new)


def _end_renewal_session() -> int:
    """End the database sessions that own the renewal lock; return their number."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {OURS} AND objid = %s AND granted",  # noqa: S608
            [RENEWAL_LOCK],
        )
        return len(cursor.fetchall())


def _renew_in_new_database_session(start: threading.Barrier) -> Renewal:
    try:
        start.wait(20)
        return services.renew_token(now=timezone.now())
    finally:
        connections.close_all()
