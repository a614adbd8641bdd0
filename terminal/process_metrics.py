"""Metrics of this web process: requests, browser sockets, memory. A scrape has those of all (`web_processes`)."""

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marketdata.streaming.hub import QuoteHub
from terminal.admission import sockets
from watchlists.login_monitor import LoginMonitor
from watchlists.shared_watches import SharedWatches

disable_created_metrics()  # type: ignore[no-untyped-call]  # The package leaves it untyped.
REGISTRY: Final = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_requests = Counter(
    "terminal_web_requests",
    "HTTP requests answered by this web process.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
_seconds = Histogram(
    "terminal_web_request_seconds",
    "How long this web process took to answer.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0),
    registry=REGISTRY,
)

Answer = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def count_requests(get_response: Answer) -> Answer:
    """Count requests by route, not by path: clients choose paths, so their number is unbounded."""
    if iscoroutinefunction(get_response):
        ask: Callable[[HttpRequest], Awaitable[HttpResponseBase]] = get_response

        async def count_async(request: HttpRequest) -> HttpResponseBase:
            begun = time.perf_counter()
            response = await ask(request)
            _count(request, response, time.perf_counter() - begun)
            return response

        return count_async

    def count(request: HttpRequest) -> HttpResponseBase:
        begun = time.perf_counter()
        response: HttpResponseBase = get_response(request)
        _count(request, response, time.perf_counter() - begun)
        return response

    return count


def _count(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    match = getattr(request, "resolver_match", None)
    route = match.route if match is not None else "none"
    method = request.method if request.method in _METHODS else "other"
    _requests.labels(method, route, response.status_code).inc()
    _seconds.labels(route).observe(seconds)


class HubCollector(Collector):
    """Reads the load of this process's quote hub."""

    def __init__(self, hub: QuoteHub) -> None:
        self._hub = hub

    def collect(self) -> Iterable[Metric]:
        """Return the open browser sockets and the unacknowledged frames."""
        browsers, frames = self._hub.count_browsers(), self._hub.count_unacknowledged()
        return [
            GaugeMetricFamily("terminal_web_browsers", "Browser sockets open in this web process.", browsers),
            GaugeMetricFamily(
                "terminal_web_browsers_most", "Browser sockets this web process may have open.", sockets.most
            ),
            GaugeMetricFamily(
                "terminal_web_unacknowledged_frames",
                "Frames this web process sent and no browser has acknowledged; at most two a browser.",
                frames,
            ),
        ]


class SocketReadsCollector(Collector):
    """Reads how often the browser sockets of this process made it read the database."""

    def __init__(self, shared: SharedWatches, logins: LoginMonitor) -> None:
        self._shared = shared
        self._logins = logins

    def collect(self) -> Iterable[Metric]:
        """Return the number of resolved watches and of checks of login sessions."""
        reads = CounterMetricFamily(
            "terminal_web_socket_reads", "Reads of the database for the browser sockets of this process.", labels=["of"]
        )
        reads.add_metric(["watches"], self._shared.resolutions)
        reads.add_metric(["logins"], self._logins.checks)
        yield reads


class PoolCollector(Collector):
    """Reads the database connections of this process; all values are 0 without a pool."""

    def describe(self) -> Iterable[Metric]:
        """Return nothing: without this the registration collects, and would make the pool before its first use."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the open connections, how many were opened, and how many requests waited for one."""
        pool = getattr(connection, "pool", None)  # The stubs lack it.
        figures = pool.get_stats() if pool is not None else {}
        idle = figures.get("pool_available", 0)
        held = GaugeMetricFamily(
            "terminal_web_database_connections", "Database connections of this web process.", labels=["state"]
        )
        held.add_metric(["idle"], idle)
        held.add_metric(["used"], figures.get("pool_size", 0) - idle)
        yield held
        yield CounterMetricFamily(
            "terminal_web_database_connects",
            "Database connections that this web process tried to open.",
            figures.get("connections_num", 0),
        )
        yield CounterMetricFamily(
            "terminal_web_database_uses",
            "How often a request or a browser socket of this web process took a database connection.",
            figures.get("requests_num", 0),
        )
        yield CounterMetricFamily(
            "terminal_web_database_waits",
            "Requests of this web process that waited for a database connection.",
            figures.get("requests_queued", 0),
        )


REGISTRY.register(PoolCollector())
