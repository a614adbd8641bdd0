"""R16: Redis hangs: every write is answered within two seconds, because a request waits for it at most once."""

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError

from django.urls import URLPattern, URLResolver, get_resolver
from knox.models import get_token_model

from accounts.models import User
from tests.factories import NOW, PASSWORD, make_listing, put_prices
from tests.own_servers import OwnServers
from tests.waiting import promised_seconds, wait_until
from tests.web_servers import running_web_process

WRITE_SECONDS = 2.0
"""docs/operations.md, R16: the longest duration of a write."""
ADD = "watchlist/add"
WRITES: Mapping[str, object] = {
    ADD: {"symbol": "TCS", "instrument_type": "EQUITY"},
    "watchlist/remove": {"symbol": "RELIANCE", "instrument_type": "EQUITY"},
    "watchlist/keep": {"entry_id": 1, "keep": True},
    "watchlist/move": {"entry_id": 1, "before": None},
    "watchlist/lists": {"name": "Banks"},
    "watchlist/lists/rename": {"list": "Main", "name": "Shares"},
    "watchlist/lists/delete": {"list": "Empty"},
    "layouts": {"name": "Prices", "columns": ["ltp"]},
    "layouts/change": {"name": "Other", "columns": ["ltp"]},
    "layouts/rename": {"layout": "Other", "name": "Prices"},
    "layouts/delete": {"layout": "Other"},
    "option-chain/subscribe": {"symbol": "NIFTY"},
    "admin/unsubscribe-all-tier-a": {},
    "admin/clear-watchlists": {},
    "admin/rebalance-ws": {},
    "auth/token": {"username": "boss", "password": PASSWORD},
    "auth/logout": {},
}
CHAIN = {"symbol": "NIFTY", "instrument_type": "INDEX_OPTION"}


def write(
    web: str, token: str, path: str, body: object, clock: Callable[[], float] = time.monotonic
) -> tuple[int, float]:
    """Send a POST; return its status and its duration in seconds of `clock`."""
    request = urllib.request.Request(
        f"http://{web}/api/v2/{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Token {token}", "Content-Type": "application/json"},
    )
    began_at = clock()
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310  loopback
            return reply.status, clock() - began_at
    except HTTPError as refusal:
        with refusal:
            return refusal.code, clock() - began_at


def make_token() -> str:
    _, token = get_token_model().objects.create(user=User.objects.get(username="boss"))
    return str(token)


def list_write_routes() -> set[str]:
    """Return the addresses under /api/v2/ that accept a POST."""
    included = [
        one for one in get_resolver().url_patterns if isinstance(one, URLResolver) and str(one.pattern) == "api/v2/"
    ]
    routes = [one for part in included for one in part.url_patterns if isinstance(one, URLPattern)]
    return {str(one.pattern) for one in routes if hasattr(one.callback.view_class, "post")}  # type: ignore[attr-defined]


def test_every_write_of_the_api_is_among_those_that_are_tested() -> None:
    assert list_write_routes() == set(WRITES)


def test_r16_every_write_is_answered_within_two_seconds_while_redis_hangs(servers: OwnServers, tmp_path: Path) -> None:
    listing = make_listing()
    User.objects.create_superuser(username="boss", password=PASSWORD)
    put_prices({listing.spots["NIFTY"].pk: 25_000.0})
    with running_web_process(tmp_path, MARKET_DATE=NOW.date().isoformat()) as (web, _):
        # Once with Redis: modules are imported, and there is something to remove.
        assert write(web, make_token(), ADD, {"symbol": "RELIANCE", "instrument_type": "EQUITY"})[0] == 201
        assert write(web, make_token(), ADD, CHAIN)[0] == 201
        tokens = {path: make_token() for path in WRITES}

        with (
            servers.frozen_redis(),
            promised_seconds() as promised,
            ThreadPoolExecutor(max_workers=len(WRITES)) as pool,
        ):

            def write_now(path: str, body: object) -> tuple[int, float]:
                return write(web, tokens[path], path, body, clock=lambda: promised.seconds)

            # All at once: each waits for Redis itself, before the first timeout refuses the next calls.
            answers = dict(zip(WRITES, pool.map(write_now, WRITES, WRITES.values()), strict=True))
            again = write(web, make_token(), "watchlist/remove", WRITES[ADD], clock=lambda: promised.seconds)

        assert {path: seconds for path, (_, seconds) in answers.items() if seconds > WRITE_SECONDS} == {}
        assert again[1] <= WRITE_SECONDS
        # What is committed is answered as such; what needs a price of Redis is refused, and may be sent again.
        assert (answers[ADD][0], answers["option-chain/subscribe"][0]) == (201, 503)
        wait_until(
            lambda: write(web, make_token(), "option-chain/subscribe", {"symbol": "NIFTY"})[0] < 300,
            seconds=5,
            message="a write succeeds after Redis is back",
        )
