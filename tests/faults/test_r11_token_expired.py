"""R11: the token expires. All connections wait, it is renewed once for all of them, and the new token resumes them."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from marketdata import selectors, services
from marketdata.models import BrokerSession
from marketdata.services import Renewal
from tests.integration.subscriptions.feed.feed_workers import (
    Worker,
    list_reports,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import promised_seconds, wait_until

COUNT = 40
RESUME_SECONDS = 5.0
NOTICE_SECONDS = 10.0
DOUBT_SECONDS = 40.0
PIN, TOTP_SECRET = "112233", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board", "settled_database")]


@pytest.fixture
def shape() -> int:
    """Return the form in which an expired token is refused: code 807."""
    return 807


@pytest.fixture
def simulator(settings: Settings, shape: int) -> Iterator[SimulatorAddress]:
    """Yield a broker whose account is in our settings."""
    with running_simulator(faults={"auth_shape": shape}) as address:
        settings.TOKEN_KEYS = [Fernet.generate_key().decode()]
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = address.client_id, address.access_token
        settings.DHAN_REST_URL = address.rest_url
        settings.DHAN_AUTH_URL = address.rest_url.removesuffix("/v2")
        settings.DHAN_PIN = settings.DHAN_TOTP_SECRET = ""
        yield address


@contextmanager
def two_workers(simulator: SimulatorAddress, settings: Settings, directory: Path) -> Iterator[Sequence[Worker]]:
    """Yield two workers that share the five connections, with all instruments streaming."""
    keys = ",".join(settings.TOKEN_KEYS)
    make_subscriptions(simulator, count=COUNT)
    with (
        running_worker(directory, name="one", simulator=simulator, TOKEN_KEYS=keys, FEED_CONNECTIONS="3") as one,
        running_worker(directory, name="two", simulator=simulator, TOKEN_KEYS=keys, FEED_CONNECTIONS="3") as two,
    ):
        wait_until_streaming(COUNT)
        yield one, two


def are_all_waiting(words: str = "807: the access token has expired") -> bool:
    return [(one.state, one.last_error) for one in list_reports()] == [("waiting", words)] * 5


@pytest.mark.parametrize(
    ("shape", "words"),
    # The broker does not always give the cause of a refusal; then the token is doubted after three attempts.
    [(807, "807: the access token has expired"), (1, "the handshake was refused with 400")],
)
def test_r11_all_connections_wait_for_an_expired_token_and_resume_with_a_new_one_without_a_restart(
    simulator: SimulatorAddress, settings: Settings, tmp_path: Path, words: str
) -> None:
    with two_workers(simulator, settings, tmp_path) as workers:
        simulator.set_fault("token_rollover")
        wait_until(lambda: are_all_waiting(words), seconds=DOUBT_SECONDS, message="five connections wait")
        wait_until(lambda: words in _problem(), seconds=NOTICE_SECONDS, message="the refusal is shown to staff")
        openings = simulator.connections()["opened"]

        token = simulator.new_token()
        with promised_seconds() as counted:
            services.store_token(
                client_id=simulator.client_id, access_token=token, stored_by="staff", now=timezone.now()
            )
            wait_until_streaming(COUNT)
        assert counted.seconds <= RESUME_SECONDS
        assert simulator.connections()["opened"] == openings + 5
        assert [worker.process.poll() for worker in workers] == [None, None]
        assert _problem() == ""
        assert not _logs_with(token, workers)


def test_r11_one_token_is_generated_for_all_owners(
    simulator: SimulatorAddress, settings: Settings, tmp_path: Path
) -> None:
    settings.DHAN_PIN, settings.DHAN_TOTP_SECRET = PIN, TOTP_SECRET
    with two_workers(simulator, settings, tmp_path) as workers:
        simulator.set_fault("token_rollover")
        wait_until(are_all_waiting, seconds=NOTICE_SECONDS, message="five connections wait for a token")
        wait_until(lambda: "807" in _problem(), seconds=NOTICE_SECONDS, message="the refusal is shown to staff")

        results = renew_from_five_database_sessions_at_once()

        wait_until_streaming(COUNT, seconds=RESUME_SECONDS)
        assert results.count(Renewal.DONE) == 1
        assert set(results) <= {Renewal.DONE, Renewal.BUSY, Renewal.NOT_DUE}
        (row,) = BrokerSession.objects.filter(is_current=True)
        assert (row.method, row.failures) == ("generated", 0)
        assert BrokerSession.objects.filter(method="generated").count() == 1
        found = selectors.read_credentials()
        assert found is not None
        assert not _logs_with(found.access_token, workers)


def test_r11_a_token_is_renewed_before_it_ends_and_reconnects_take_the_new_one(
    simulator: SimulatorAddress, settings: Settings, tmp_path: Path
) -> None:
    settings.DHAN_ACCESS_TOKEN = simulator.new_token(hours=1)
    with two_workers(replace(simulator, access_token=settings.DHAN_ACCESS_TOKEN), settings, tmp_path):
        assert renew_from_five_database_sessions_at_once().count(Renewal.DONE) == 1

        simulator.set_fault("tcp_reset", 0)

        wait_until(
            lambda: simulator.connections()["opened"] >= 10, seconds=NOTICE_SECONDS, message="five new sockets are open"
        )
        wait_until_streaming(COUNT, seconds=NOTICE_SECONDS)
        life = selectors.get_access_token_status(now=timezone.now())
        assert (life.method, life.problem) == ("renewed", "")
        assert life.expires_at is not None
        assert life.expires_at - timezone.now() > timedelta(hours=23)


def renew_from_five_database_sessions_at_once() -> Sequence[Renewal]:
    start = threading.Barrier(5)

    def renew() -> Renewal:
        try:
            start.wait(NOTICE_SECONDS)
            return services.renew_token(now=timezone.now())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=5) as threads:
        return [one.result(NOTICE_SECONDS) for one in [threads.submit(renew) for _ in range(5)]]


def _problem() -> str:
    return selectors.get_access_token_status(now=timezone.now()).problem


def _logs_with(token: str, workers: Sequence[Worker]) -> Sequence[str]:
    return [worker.log.name for worker in workers if token in worker.log.read_text()]
