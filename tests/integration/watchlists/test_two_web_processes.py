"""What is changed through one web process reaches the browsers of another within a second."""

import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import pytest
import redis
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client
from django.utils import timezone
from knox.models import get_token_model

from accounts.models import User
from subscriptions import services
from subscriptions.models import FeedConnection
from tests.browsers import Browser, watching_browser
from tests.conftest import unique_prefix
from tests.factories import NOW, PASSWORD, Listing, make_user, put_prices
from tests.waiting import wait_promised, wait_until
from tests.web_servers import running_web

PROMISED_SECONDS = 1.0
ADD = "/api/v2/watchlist/add"
RELIANCE = {"symbol": "RELIANCE", "expiry": "2026-02-24", "instrument_type": "STOCK_OPTION"}
NIFTY = {"symbol": "NIFTY", "expiry": "2026-02-17", "instrument_type": "INDEX_OPTION"}
CSRF = "c" * 32

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def redis_prefix(suite_redis: redis.Redis) -> Iterator[str]:
    """Yield one key prefix for all tests of this file, which share the web processes."""
    with unique_prefix(suite_redis) as prefix:
        yield prefix


@pytest.fixture(scope="module")
def webs(
    redis_prefix: str, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Yield the addresses of two web processes."""
    variables = {
        "REDIS_PREFIX": redis_prefix,
        "MARKET_DATE": NOW.date().isoformat(),
        "DHAN_REST_URL": "http://127.0.0.1:9",
    }
    with ExitStack() as running:
        one, other = (
            running.enter_context(running_web(tmp_path_factory.mktemp(name), **variables)) for name in ("one", "other")
        )
        yield one, other


def log_in(user: User) -> str:
    """Return the cookie of a new login session."""
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def post_as(user: User, web: str, path: str, body: Mapping[str, str]) -> int:
    """Send a request of an integrator to a web process; return the status."""
    _, token = get_token_model().objects.create(user=user)
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{web}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  loopback
        return int(answer.status)


def post_form(cookie: str, web: str, path: str, **fields: str) -> None:
    """Send a form of a page of a web process."""
    headers = {"Cookie": f"sessionid={cookie}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
    request = urllib.request.Request(f"http://{web}{path}", urllib.parse.urlencode(fields).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  loopback
        assert urllib.parse.urlsplit(answer.url).path != path, f"refused: {answer.read().decode()}"


def wait_for_welcome(browser: Browser) -> None:
    wait_until(lambda: browser.has_received("welcome"), message="the socket is open")


def test_an_added_entry_reaches_the_list_on_another_process(
    webs: tuple[str, str], listing: Listing, asha: User
) -> None:
    with watching_browser(webs[1], log_in(asha), []) as browser:
        browser.watch_list("list")
        wait_until(lambda: bool(browser.answers("list")), message="the list is shown")

        assert post_as(asha, webs[0], ADD, RELIANCE) == 201

        spot = listing.spots["RELIANCE"].pk
        wait_promised(
            lambda: browser.has_received("watchlist_changed") and spot in shown_instruments(browser, "list"),
            seconds=PROMISED_SECONDS,
            message="the other process shows the new entry",
        )


def test_an_eviction_is_announced_on_another_process(
    webs: tuple[str, str], listing: Listing, asha: User, vikram: User
) -> None:
    assert post_as(asha, webs[0], ADD, RELIANCE) == 201
    FeedConnection.objects.update(capacity=42)  # 210 in all: NIFTY needs 203, RELIANCE has 51.
    with watching_browser(webs[1], log_in(asha), []) as browser:
        wait_for_welcome(browser)

        assert post_as(vikram, webs[0], ADD, NIFTY) == 201

        wait_promised(
            lambda: any(one["type"] == "notice" and one["kind"] == "evicted" for one in browser.notes),
            seconds=PROMISED_SECONDS,
            message="the other process announces the eviction",
        )


def test_a_recentred_window_is_shown_on_every_process(webs: tuple[str, str], listing: Listing, asha: User) -> None:
    assert post_as(asha, webs[0], ADD, RELIANCE) == 201
    cookie, now = log_in(asha), timezone.now()
    with watching_browser(webs[0], cookie, []) as one, watching_browser(webs[1], cookie, []) as other:
        for browser in (one, other):
            browser.watch_chain("chain", "RELIANCE")
            wait_until(partial(shows_atm, browser, "2600"), message="the chain is shown")
        put_prices({listing.spots["RELIANCE"].pk: 2_684.0}, now=now + timedelta(seconds=1))

        services.recentre(now=now + timedelta(seconds=2))

        wait_promised(
            lambda: shows_atm(one, "2680") and shows_atm(other, "2680"),
            seconds=PROMISED_SECONDS,
            message="both processes show the moved window",
        )


def log_out(user: User, cookie: str, web: str) -> None:
    post_form(cookie, web, "/logout/")


def change_password(user: User, cookie: str, web: str) -> None:
    new = {"new_password1": "another long password", "new_password2": "another long password"}
    post_form(log_in(user), web, "/admin/password_change/", old_password=PASSWORD, **new)


@pytest.mark.parametrize("end", [log_out, change_password])
def test_the_end_of_a_login_closes_its_sockets_on_another_process(
    webs: tuple[str, str], own_board: str, end: Callable[[User, str, str], None]
) -> None:
    user = make_user("olga", is_staff=True)
    # The web process does not have the fast hasher of the tests.
    user.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1_000)
    user.save()
    cookie = log_in(user)
    with watching_browser(webs[1], cookie, []) as browser:
        wait_for_welcome(browser)

        end(user, cookie, webs[0])

        wait_promised(
            lambda: browser.close_code == 4401, seconds=PROMISED_SECONDS, message="the other process closes the socket"
        )


def test_a_log_out_leaves_the_other_login_on_another_process_open(webs: tuple[str, str], own_board: str) -> None:
    user = make_user()
    with (
        watching_browser(webs[1], log_in(user), []) as browser,
        watching_browser(webs[1], gone := log_in(user), []) as other,
    ):
        wait_for_welcome(browser)
        wait_for_welcome(other)

        post_form(gone, webs[0], "/logout/")

        wait_until(lambda: other.close_code == 4401, message="its own socket is closed")
        assert browser.close_code is None


def shown_instruments(browser: Browser, name: str) -> set[int]:
    """Return the instruments of the newest answer to a watch."""
    return set(browser.answers(name)[-1]["instruments"])


def shows_atm(browser: Browser, atm: str) -> bool:
    """Return whether the newest chain that was shown has this ATM."""
    chains = [one for one in browser.answers("chain") if one["type"] == "chain"]
    return bool(chains) and chains[-1]["atm"] == atm
