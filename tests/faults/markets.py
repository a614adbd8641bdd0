"""A running market: simulator, feed worker, web process and one browser that receives its ticks."""

import json
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from knox.models import get_token_model

from accounts.models import User
from subscriptions.models import Subscription
from tests.browsers import Browser, log_in, watching_browser
from tests.integration.subscriptions.feed.feed_workers import (
    Worker,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import promised_seconds, wait_until
from tests.web_servers import running_web_process

COUNT = 40
ANSWER_SECONDS = 30.0
"""The longest permitted duration of an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API and its duration."""

    status: int
    seconds: float
    retry_after: str | None
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Market:
    """The running processes, and a logged-in trader."""

    simulator: SimulatorAddress
    feed: Worker
    web: str
    web_pid: int
    browser: Browser
    watched: Sequence[int]
    cookie: str
    token: str

    def ask(self, path: str, body: object = None) -> Answer:
        """Send a request to the API as the trader: POST if there is a body, else GET."""
        request = urllib.request.Request(
            f"http://{self.web}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Token {self.token}", "Content-Type": "application/json"},
        )
        began_at = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as reply:  # noqa: S310  loopback
                return Answer(reply.status, time.monotonic() - began_at, None, json.load(reply))
        except HTTPError as refusal:
            with refusal:
                seconds, retry_after = time.monotonic() - began_at, refusal.headers["Retry-After"]
                return Answer(refusal.code, seconds, retry_after, json.load(refusal))

    def ask_promised(self, path: str) -> Answer:
        """Send a GET whose duration is promised: it counts as `PromisedSeconds`. One at a time, never from threads."""
        with promised_seconds() as counted:
            answer = self.ask(path)
        return replace(answer, seconds=counted.seconds)

    def wait_for_ticks(self, *, seconds: float) -> float:
        """Wait until the browser receives the next tick; return the seconds."""
        return wait_for_ticks(self.browser, seconds=seconds)


def wait_for_ticks(browser: Browser, *, seconds: float) -> float:
    """Wait until a browser receives a tick after this call; return the seconds."""
    now = time.monotonic()
    return wait_until(
        lambda: any(at > now for at in browser.ticked_at[-1:]), seconds=seconds, message="the browser receives a tick"
    )


@contextmanager
def running_market(
    directory: Path,
    *,
    rate: int = 2_000,
    feed_variables: dict[str, str] | None = None,
    web_variables: dict[str, str] | None = None,
) -> Iterator[Market]:
    """Yield a market of COUNT instruments, all streaming, and a browser that has received a tick.

    `rate` is in packets a second over all listed instruments; those that stream get their share.
    """
    with running_simulator(rate=rate) as simulator:
        watched = [one.instrument_id for one in make_subscriptions(simulator, count=COUNT)]
        variables = {"DHAN_REST_URL": simulator.rest_url} | (web_variables or {})
        with (
            running_worker(directory, name="feed", simulator=simulator, **(feed_variables or {})) as feed,
            running_web_process(directory, **variables) as (web, process),
        ):
            wait_until_streaming(COUNT)
            cookie = log_in("asha")
            _, token = get_token_model().objects.create(user=User.objects.get(username="asha"))
            with watching_browser(web, cookie, watched) as browser:
                market = Market(simulator, feed, web, process.pid, browser, watched, cookie, token)
                market.wait_for_ticks(seconds=10)
                yield market


def placement() -> Sequence[tuple[int, int, int | None]]:
    """Return (instrument, connection, connection it leaves) of all subscriptions, in order."""
    return list(
        Subscription.objects.order_by("instrument_id").values_list(
            "instrument_id", "connection_id", "leaving_connection_id"
        )
    )
