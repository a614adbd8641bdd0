"""Every read endpoint over HTTP, warm, against a web process that opens a database connection for each request.

    make bench ARGS=http

Starts a simulator, a feed worker and two web processes on a test database, adds a chain of 202 legs, and sends one
request at a time over a kept connection, in turn to both. The times are those of the caller, so they include its own
share of the processors. Budgets: a trivial GET 4 ms, the chain 8 ms, 200 active rows 15 ms, the search 8 ms at p50.
"""

# ruff: noqa: I001  Importing the database sets Django up.

import json
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.database import own_database
from benchmarks.report import Figure, record

from django.conf import settings
from knox.models import get_token_model

from accounts.models import User
from marketdata import selectors, services
from tests.integration.subscriptions.feed.feed_workers import running_worker
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until
from tests.web_servers import running_web

RATE = 2_000  # packets a second: that of the stack of `make run`
WARM = 20  # chosen: enough for every cache of the process
REPEATS = 200  # chosen: two requests above the p99
STREAMING_SECONDS = 60.0  # chosen: a start of the feed worker on a busy machine
HEALTH = "/health"
CHAIN = "/api/v2/option-chain/NIFTY"
# The budget is for p50, in ms; None: no budget is set.
ENDPOINTS: Mapping[str, float | None] = {
    "/api/v2/subscriptions/status": 4,
    CHAIN: 8,
    f"{CHAIN}/expiries": 4,
    "/api/v2/instruments/NIFTY/expiries": 4,
    "/api/v2/subscriptions/active?limit=200": 15,
    "/api/v2/instruments/search?q=nifty": 8,
    "/api/v2/watchlist/me": None,
    "/api/v2/admin/ws-status": None,
    "/api/v2/": None,
    HEALTH: None,
}


class Caller:
    """An integrator with one kept connection to a web process."""

    def __init__(self, web: str, token: str) -> None:
        host, port = web.split(":")
        self._connection = HTTPConnection(host, int(port), timeout=10)
        self._headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}

    def ask(self, path: str, body: object = None) -> bytes:
        """Return the body of a successful answer. Raises RuntimeError for another status, but for that of /health."""
        encoded = None if body is None else json.dumps(body)
        self._connection.request("GET" if body is None else "POST", path, body=encoded, headers=self._headers)
        reply = self._connection.getresponse()
        answer = reply.read()
        # 503 states that a part fails, here the preload without a work worker: an answer like any other.
        if reply.status >= 400 and path != HEALTH:
            raise RuntimeError(f"{path}: {reply.status} {answer[:200]!r}")
        return answer

    def time(self, path: str) -> float:
        """Return the milliseconds of one GET."""
        began = time.perf_counter()
        self.ask(path)
        return (time.perf_counter() - began) * 1_000

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def callers(directory: Path, simulator: SimulatorAddress) -> Iterator[tuple[Caller, Caller]]:
    """Yield a caller of the product, and one of a web process without a connection pool."""
    staff = User.objects.create_superuser("bench")
    _, token = get_token_model().objects.create(user=staff)
    rest = {"DHAN_REST_URL": simulator.rest_url, "DHAN_CLIENT_ID": simulator.client_id}
    rest |= {"DHAN_ACCESS_TOKEN": simulator.access_token}
    (directory / "plain").mkdir()
    with (
        running_web(directory, **rest) as product,
        running_web(directory / "plain", DATABASE_POOL="no", **rest) as plain,
        closing(Caller(product, token)) as fast,
        closing(Caller(plain, token)) as slow,
    ):
        yield fast, slow


def measure(fast: Caller, slow: Caller, path: str) -> tuple[list[float], list[float]]:
    """Return the sorted milliseconds of REPEATS requests to each, in turn."""
    for _ in range(WARM):
        fast.ask(path)
        slow.ask(path)
    both = [(fast.time(path), slow.time(path)) for _ in range(REPEATS)]
    return sorted(one for one, _ in both), sorted(other for _, other in both)


def main() -> None:
    """Measure and record."""
    settings.REDIS_PREFIX = "bench-http"
    with own_database(), TemporaryDirectory() as folder, running_simulator(rate=RATE, small=False) as simulator:
        now = datetime.now(tz=UTC)
        services.import_instruments(source=simulator.instruments_url, as_of=selectors.market_today(), now=now)
        directory = Path(folder)
        with (
            running_worker(directory, name="feed", simulator=simulator),
            callers(directory, simulator) as (fast, slow),
        ):
            added = {"symbol": "NIFTY", "instrument_type": "INDEX_OPTION", "underlying_ltp": "25000"}
            fast.ask("/api/v2/watchlist/add", added)
            wait_until(
                lambda: json.loads(fast.ask("/api/v2/subscriptions/status"))["drift"] == 0,
                seconds=STREAMING_SECONDS,
                message="the chain streams",
            )
            for path, budget in ENDPOINTS.items():
                ours, others = measure(fast, slow, path)
                p50, p99 = statistics.median(ours), ours[round(0.99 * (REPEATS - 1))]
                other = statistics.median(others)
                record(
                    Figure(
                        "http",
                        f"{path}, p50",
                        p50,
                        "ms",
                        budget=budget,
                        alternative="a connection each",
                        alternative_value=other,
                    )
                )
                record(Figure("http", f"{path}, p99", p99, "ms"))
