"""What Prometheus learns of the feed and the work behind it: statistics of the whole terminal, whoever is asked.

They are read when somebody scrapes: from the owners' reports and Celery's queues in Redis, and from PostgreSQL,
under one deadline, so that a server that hangs costs a scrape its statistics and not its answer. What cannot be
read is left out, never zero; `terminal_up` says which server did not answer. Counters and histograms are of
one epoch of one connection: they begin at nothing with a new owner, which Prometheus takes for a restart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marketdata import derived_board, quote_board, rest_board
from marketdata import selectors as market
from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.feed_statistics import FeedStatistics, HistogramReading
from subscriptions import selectors as subscriptions
from subscriptions.domain.connections import ConnectionStatus
from terminal.health import DEADLINE_SECONDS, PRELOAD_TASK
from terminal.probes import DatabaseProbe, Probe, ask_all

QUEUES: Final = ("default", "feed")
TASKS: Final = (PRELOAD_TASK, "subscriptions.tasks.recentre")


# Gauges and counters of the feed: name -> (type, help text, labels).
VALUES: Final[Mapping[str, tuple[type[GaugeMetricFamily | CounterMetricFamily], str, Sequence[str]]]] = {
    "terminal_up": (GaugeMetricFamily, "1 if the server answered this scrape, else 0.", ["server"]),
    "terminal_queue_tasks": (GaugeMetricFamily, "Tasks that wait for a worker.", ["queue"]),
    "terminal_rest_odd_items": (
        CounterMetricFamily,
        "Items of the broker's REST answers that were left out, or taken without their depth (null_depth).",
        ["answer", "kind"],
    ),
    "terminal_task_last_run_timestamp_seconds": (GaugeMetricFamily, "When a periodic task last finished.", ["task"]),
    "terminal_analytics_timestamp_seconds": (
        GaugeMetricFamily,
        "When the analytics worker computed last; none if not within a minute.",
        [],
    ),
    "terminal_token_expires_timestamp_seconds": (GaugeMetricFamily, "When the access token ends, if it says so.", []),
    "terminal_feed_quiet_seconds": (GaugeMetricFamily, "How long no socket is opened from now on.", []),
    "terminal_feed_state": (
        GaugeMetricFamily,
        "1 for the state the connection is in, 0 for every other.",
        ["connection", "state"],
    ),
    "terminal_feed_load": (GaugeMetricFamily, "Instruments placed on the connection.", ["connection"]),
    "terminal_feed_capacity": (GaugeMetricFamily, "Instruments it may carry.", ["connection"]),
    "terminal_feed_sent": (GaugeMetricFamily, "Instruments its socket was told.", ["connection"]),
    "terminal_feed_streaming": (GaugeMetricFamily, "Instruments that had a packet on this socket.", ["connection"]),
    "terminal_feed_drift": (
        GaugeMetricFamily,
        "Instruments placed on the connection and not streaming.",
        ["connection"],
    ),
    "terminal_feed_epoch": (GaugeMetricFamily, "Number of the owner; grows with every change.", ["connection"]),
    "terminal_feed_last_packet_timestamp_seconds": (GaugeMetricFamily, "When the newest packet came.", ["connection"]),
    "terminal_feed_received_packets": (GaugeMetricFamily, "Packets of the last ten seconds.", ["connection"]),
    "terminal_feed_due_packets": (
        GaugeMetricFamily,
        "Packets that were due in the last ten seconds; 0 out of session.",
        ["connection"],
    ),
    "terminal_feed_trade_lag_median_seconds": (
        GaugeMetricFamily,
        "Median trade lag of the last seconds.",
        ["connection"],
    ),
    "terminal_feed_delivery": (
        GaugeMetricFamily,
        "How the packets arrive: 0 as due, 1 silent, 2 starved.",
        ["connection"],
    ),
    "terminal_feed_packets": (CounterMetricFamily, "Packets received.", ["connection"]),
    "terminal_feed_bytes": (CounterMetricFamily, "Bytes of messages received.", ["connection"]),
    "terminal_feed_decode_errors": (
        CounterMetricFamily,
        "What could not be read, or was nobody's.",
        ["connection", "kind"],
    ),
    "terminal_feed_impossible_ticks": (
        CounterMetricFamily,
        "Prices that were not believed, and not shown.",
        ["connection", "kind"],
    ),
    "terminal_feed_reconnects": (CounterMetricFamily, "Sockets lost or not got.", ["connection", "cause"]),
    "terminal_feed_lost_writes": (CounterMetricFamily, "Writes that Redis did not take in time.", ["connection"]),
}
# Histograms by connection: name -> help text.
HISTOGRAMS: Final = {
    "terminal_feed_flush_seconds": "How long reading one flush's packets took.",
    "terminal_feed_publish_lag_seconds": "From when a flush was due until Redis had its frame.",
    "terminal_feed_loop_lag_seconds": "How late the owner's event loop began a flush.",
    "terminal_feed_trade_lag_seconds": "From trade to receipt, of liquid instruments only.",
}


@dataclass(frozen=True, slots=True)
class RedisReadings:
    """Readings from Redis."""

    reports: Sequence[ConnectionReport]
    queued: Mapping[str, int]
    last_runs: Mapping[str, datetime | None]
    odd_items: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by answer and kind
    last_analytics: datetime | None = None


@dataclass(frozen=True, slots=True)
class DatabaseReadings:
    """Readings from PostgreSQL."""

    connections: Sequence[ConnectionStatus]
    token_ends_at: datetime | None
    cooldown_seconds: float


def read_database() -> DatabaseReadings:
    """Read PostgreSQL. Raises django.db.Error."""
    now = timezone.now()
    cooldown = subscriptions.find_cooldown(now=now)
    return DatabaseReadings(
        connections=subscriptions.list_connections(),
        token_ends_at=market.get_access_token_status(now=now).expires_at,
        cooldown_seconds=(cooldown.until - now).total_seconds() if cooldown else 0.0,
    )


def read_redis() -> RedisReadings:
    """Read Redis. Raises BoardError."""
    board = quote_board.connect()
    return RedisReadings(
        reports=board.list_reports(),
        queued={queue: board.count_queued(queue) for queue in QUEUES},
        last_runs={task: board.last_run(task) for task in TASKS},
        odd_items=rest_board.connect().read_odd_items(),
        last_analytics=derived_board.connect().last_flush(),
    )


class FeedCollector(Collector):
    """Reads the servers for every scrape."""

    def collect(self) -> Iterable[Metric]:
        """Return all families; a family without readings is empty."""
        answers = ask_all(
            {"database": DatabaseProbe(read_database), "redis": Probe(read_redis, quote_board.BoardError)},
            seconds=DEADLINE_SECONDS,
        )
        database, redis = answers["database"], answers["redis"]
        return families(
            database if isinstance(database, DatabaseReadings) else None,
            redis if isinstance(redis, RedisReadings) else None,
        )

    def describe(self) -> Iterable[Metric]:
        """Return the families without reading a server."""
        return _MetricFamilies().families()


class _MetricFamilies:
    """The metric families while they are filled."""

    def __init__(self) -> None:
        self._values = {name: make(name, about, labels=labels) for name, (make, about, labels) in VALUES.items()}
        self._histograms = {
            name: HistogramMetricFamily(name, about, labels=["connection"]) for name, about in HISTOGRAMS.items()
        }

    def add(self, name: str, labels: Sequence[object], value: float) -> None:
        """Add one sample of a gauge or a counter."""
        self._values[name].add_metric([str(label) for label in labels], value)

    def add_histogram(self, name: str, connection: int, reading: HistogramReading) -> None:
        """Add one histogram."""
        self._histograms[name].add_metric([str(connection)], reading.cumulative(), sum_value=reading.total)

    def families(self) -> list[Metric]:
        """Return the families in the order of their definition."""
        return [*self._values.values(), *self._histograms.values()]


def families(database: DatabaseReadings | None, redis: RedisReadings | None) -> list[Metric]:
    """Return the readings as metric families; None for a server without an answer."""
    metrics = _MetricFamilies()
    metrics.add("terminal_up", ["database"], database is not None)
    metrics.add("terminal_up", ["redis"], redis is not None)
    if redis is not None:
        _add_tasks(metrics, redis)
        for labels, count in redis.odd_items.items():
            metrics.add("terminal_rest_odd_items", labels, count)
    reports = {report.connection: report for report in redis.reports} if redis else {}
    if database is not None:
        _add_database(metrics, database, reports if redis is not None else None)
    recorded = {one.number: one for one in database.connections} if database else {}
    for report in reports.values():
        known = recorded.get(report.connection)
        _add_state(metrics, report.connection, known.with_report(report).state if known else report.state)
        _add_report(metrics, report)
    return metrics.families()


def _add_tasks(metrics: _MetricFamilies, redis: RedisReadings) -> None:
    for queue, count in redis.queued.items():
        metrics.add("terminal_queue_tasks", [queue], count)
    for task, at in redis.last_runs.items():
        if at is not None:
            metrics.add("terminal_task_last_run_timestamp_seconds", [task], at.timestamp())
    if redis.last_analytics is not None:
        metrics.add("terminal_analytics_timestamp_seconds", [], redis.last_analytics.timestamp())


def _add_database(
    metrics: _MetricFamilies, database: DatabaseReadings, reports: Mapping[int, ConnectionReport] | None
) -> None:
    """Add the readings from PostgreSQL, and the state of connections without an owner's report."""
    metrics.add("terminal_feed_quiet_seconds", [], database.cooldown_seconds)
    if database.token_ends_at is not None:
        metrics.add("terminal_token_expires_timestamp_seconds", [], database.token_ends_at.timestamp())
    for one in database.connections:
        metrics.add("terminal_feed_load", [one.number], one.load)
        metrics.add("terminal_feed_capacity", [one.number], one.capacity)
        if reports is None:
            continue
        report = reports.get(one.number)
        metrics.add("terminal_feed_drift", [one.number], one.load - (report.streaming if report else 0))
        if report is None:
            metrics.add("terminal_feed_epoch", [one.number], one.lease_epoch)
            _add_state(metrics, one.number, one.with_report(None).state)


def _add_report(metrics: _MetricFamilies, report: ConnectionReport) -> None:
    """Add the report of an owner."""
    name = [report.connection]
    metrics.add("terminal_feed_epoch", name, report.epoch)
    metrics.add("terminal_feed_sent", name, report.sent)
    metrics.add("terminal_feed_streaming", name, report.streaming)
    if report.last_packet_at_ms is not None:
        metrics.add("terminal_feed_last_packet_timestamp_seconds", name, report.last_packet_at_ms / 1_000)
    metrics.add("terminal_feed_received_packets", name, report.delivery.received)
    metrics.add("terminal_feed_due_packets", name, report.delivery.due)
    if report.trade_lag_seconds is not None:
        metrics.add("terminal_feed_trade_lag_median_seconds", name, report.trade_lag_seconds)
    metrics.add("terminal_feed_delivery", name, report.delivery.condition)
    _add_statistics(metrics, report.connection, report.statistics)


def _add_state(metrics: _MetricFamilies, connection: int, current: ConnectionState) -> None:
    for state in ConnectionState:
        metrics.add("terminal_feed_state", [connection, state], state is current)


def _add_statistics(metrics: _MetricFamilies, connection: int, statistics: FeedStatistics) -> None:
    metrics.add("terminal_feed_packets", [connection], statistics.packets)
    metrics.add("terminal_feed_bytes", [connection], statistics.bytes)
    metrics.add("terminal_feed_lost_writes", [connection], statistics.lost_writes)
    for name, counts in {
        "terminal_feed_decode_errors": statistics.decode_errors,
        "terminal_feed_impossible_ticks": statistics.impossible_ticks,
        "terminal_feed_reconnects": statistics.reconnects,
    }.items():
        for kind, count in counts.items():
            metrics.add(name, [connection, kind], count)
    for name, reading in {
        "terminal_feed_flush_seconds": statistics.flush,
        "terminal_feed_publish_lag_seconds": statistics.publish_lag,
        "terminal_feed_loop_lag_seconds": statistics.loop_lag,
        "terminal_feed_trade_lag_seconds": statistics.trade_lag,
    }.items():
        metrics.add_histogram(name, connection, reading)
