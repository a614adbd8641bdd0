"""S13: access tokens go only to the broker, with every logger at DEBUG and under many faults.

The faults: refused handshakes, dropped sockets, an expired token, a typing error of staff in the form, a new token,
its renewal. Then the test searches logs, Redis (all traffic, Celery's messages included), every row of the database,
pages, metrics, answers of the API and arguments of processes for the tokens: plain, URL-encoded, in base 64 and in
hexadecimal.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from marketdata import selectors
from marketdata.models import BrokerSession
from tests.factories import make_user
from tests.integration.subscriptions.feed.feed_workers import list_reports, make_subscriptions, running_worker
from tests.integration.subscriptions.feed.feed_workers import wait_until_streaming as wait_until_all_stream
from tests.jwts import make_jwt
from tests.own_servers import OwnServers
from tests.secrets import Transcript, find_secrets, forms_of, read_arguments, read_rows, recording_redis
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until
from tests.web_servers import running_web

COUNT = 40
CANARY = "canary/7f3a9c21+e5d8=b4~q0Zx"
CSRF = "c" * 32
RENEWAL = "marketdata.tasks.renew_broker_token"
PAGES = ("/health", "/metrics", "/api/v2/subscriptions/status", "/api/v2/admin/ws-status", "/")


@dataclass
class Terminal:
    """A terminal with loggers at DEBUG, and its logs."""

    simulator: SimulatorAddress
    web: str
    transcript: Transcript
    directory: Path


@pytest.fixture
def terminal(servers: OwnServers, settings: Settings, tmp_path: Path) -> Iterator[Terminal]:
    settings.TOKEN_KEYS = [Fernet.generate_key().decode()]
    with ExitStack() as pieces:
        simulator = pieces.enter_context(running_simulator(access_token=CANARY, log=tmp_path / "simulator.log"))
        settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = simulator.client_id, CANARY
        settings.DHAN_REST_URL = simulator.rest_url
        variables = {"LOG_LEVEL": "DEBUG", "TOKEN_KEYS": settings.TOKEN_KEYS[0], "QUIET_SECONDS": "1"}
        make_subscriptions(simulator, count=COUNT)
        transcript = pieces.enter_context(recording_redis(settings.REDIS_URL))
        for name, queue in (("feed", "feed"), ("work", "default")):
            pieces.enter_context(
                running_worker(tmp_path, name=name, simulator=simulator, queue=queue, log_level="DEBUG", **variables)
            )
        own = {"DHAN_REST_URL": simulator.rest_url, "DHAN_CLIENT_ID": simulator.client_id, "DHAN_ACCESS_TOKEN": CANARY}
        web = pieces.enter_context(running_web(tmp_path, **variables, **own))
        wait_until_all_stream(COUNT)
        yield Terminal(simulator, f"http://{web}", transcript, tmp_path)


def staff_browser(web: str) -> httpx.Client:
    """Return a client with a staff login; it sets the cookies as a header because they are for https only."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    cookie = f"sessionid={client.cookies['sessionid'].value}; csrftoken={CSRF}"
    return httpx.Client(base_url=web, headers={"Cookie": cookie}, trust_env=False, timeout=30)


def enter(browser: httpx.Client, token: str, *, client_id: str) -> httpx.Response:
    """Submit a token in the admin."""
    path = reverse("admin:marketdata_brokersession_add")
    fields = {"client_id": client_id, "access_token": token, "csrfmiddlewaretoken": CSRF}
    return browser.post(path, data=fields, headers={"Referer": str(browser.base_url.join(path))})


def cause_token_faults(terminal: Terminal, servers: OwnServers, browser: httpx.Client, pages: list[bytes]) -> list[str]:
    """Cause each fault once; return all tokens used."""
    simulator = terminal.simulator
    simulator.set_fault("handshake_400", 2)
    simulator.set_fault("tcp_reset", 0)
    wait_until_all_stream(COUNT, seconds=60)

    simulator.set_fault("token_rollover")
    wait_until(
        lambda: {one.state for one in list_reports()} == {"waiting"},
        seconds=60,
        message="all connections wait for a token",
    )
    slip = f"{make_jwt(expires_at=timezone.now() - timedelta(days=1))}"
    entered = simulator.new_token(hours=24)
    refused = enter(browser, slip, client_id=simulator.client_id)
    accepted = enter(browser, entered, client_id=simulator.client_id)
    assert (refused.status_code, accepted.status_code) == (200, 302)
    pages += [refused.content, accepted.content]
    wait_until_all_stream(COUNT, seconds=60)

    # Old enough for the work worker to renew it.
    BrokerSession.objects.filter(is_current=True).update(expires_at=timezone.now() + timedelta(minutes=30))
    servers.celery().send_task(RENEWAL, queue="default")
    wait_until(lambda: current_token() != entered, seconds=60, message="the token has been renewed")
    renewed = current_token()
    assert renewed is not None
    return [CANARY, slip, entered, renewed]


def current_token() -> str | None:
    credentials = selectors.read_credentials()
    return None if credentials is None else credentials.access_token


def visit(browser: httpx.Client) -> Iterator[bytes]:
    """Yield every list and form of the admin, and the pages about the feed."""
    paths = [*PAGES, reverse("admin:index")]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        paths.append(reverse(f"{name}_changelist"))
        first = model._default_manager.order_by("-pk").first()
        paths += [reverse(f"{name}_change", args=[first.pk])] if first is not None else []
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 200 or path == "/health", path
        yield answer.content + repr(answer.headers).encode()


def test_s13_tokens_are_found_only_at_the_broker(
    terminal: Terminal, servers: OwnServers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    make_user("asha")
    pages: list[bytes] = []
    with staff_browser(terminal.web) as browser:
        secrets = cause_token_faults(terminal, servers, browser, pages)
        pages += visit(browser)

    logs = {path.name: path.read_bytes() for path in [*terminal.directory.glob("*.log"), *servers.logs.glob("*.log")]}
    places = {
        **logs,
        "our own log": caplog.text.encode(),
        "Redis": terminal.transcript.text,
        "database": read_rows(),
        "pages": b"\n".join(pages),
        "arguments": read_arguments(),
    }
    assert {name: found for name, text in places.items() if (found := find_secrets(secrets, text))} == {}
    assert_places_are_searchable(places, secrets)


def assert_places_are_searchable(places: dict[str, bytes], secrets: list[str]) -> None:
    """Assert that each place has its usual content; otherwise a search without a hit proves nothing."""
    assert len(set(secrets)) == 4
    assert {"feed.log", "work.log", "web.log", "simulator.log", "postgres.log", "redis.log"} <= places.keys()
    for name in ("feed.log", "work.log", "web.log"):
        assert b"DEBUG" in places[name], name
    assert RENEWAL.encode() in places["Redis"]
    assert b"1000000001" in places["database"]
    assert b"Broker sessions" in places["pages"] or b"broker sessions" in places["pages"]
    assert b"celery" in places["arguments"]


@pytest.mark.parametrize("around", ["{}", "x{}", "xy{}zzz", '{{"token": "{}"}}'])
def test_s13_a_secret_is_found_in_every_form(around: str) -> None:
    import base64
    from urllib.parse import quote, urlencode

    text = around.format(CANARY)

    for encoded in (
        text.encode(),
        base64.b64encode(text.encode()),
        base64.urlsafe_b64encode(text.encode()),
        quote(text, safe="").encode(),
        urlencode({"token": text}).encode(),
        text.encode().hex().encode(),
    ):
        assert find_secrets([CANARY], b"before " + encoded + b" after") == ["q0Zx"], encoded
    assert find_secrets([CANARY], b"canary/7f3a9c21") == []
    assert len(forms_of(CANARY)) > 6
