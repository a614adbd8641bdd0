"""The clients that may read the metrics, and the samples from the readings of PostgreSQL and Redis."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.feed_statistics import FeedStatistics, Histogram
from terminal.feed_metrics import DatabaseReadings, RedisReadings, families
from terminal.metrics import is_local
from tests.connection_factories import make_connection, make_report

NOW = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)


def make_database(
    *, state: ConnectionState = ConnectionState.LIVE, token_ends_at: datetime | None = None
) -> DatabaseReadings:
    return DatabaseReadings([make_connection(recorded_state=state)], token_ends_at, cooldown_seconds=0.0)


def make_redis(*reports: ConnectionReport) -> RedisReadings:
    return RedisReadings(reports=reports, queued={"default": 3}, last_runs={"a.task": NOW, "b.task": None})


def text_of(database: DatabaseReadings | None, redis: RedisReadings | None) -> list[str]:
    class Fixed(Collector):
        def collect(self) -> list[Metric]:
            return families(database, redis)

    registry = CollectorRegistry()
    registry.register(Fixed())
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_a_connection_is_in_exactly_one_state() -> None:
    lines = text_of(make_database(), make_redis(make_report()))

    states = [line for line in lines if line.startswith("terminal_feed_state{")]
    assert len(states) == len(ConnectionState)
    assert [line for line in states if line.endswith(" 1.0")] == [
        'terminal_feed_state{connection="1",state="live"} 1.0'
    ]


def test_a_connection_is_failed_over_until_its_owner_reports_it_live() -> None:
    away = replace(make_report(), state=ConnectionState.RECONNECTING)
    database = make_database(state=ConnectionState.FAILED_OVER)

    def current(report: ConnectionReport) -> list[str]:
        lines = text_of(database, make_redis(report))
        return [line for line in lines if line.startswith("terminal_feed_state{") and line.endswith(" 1.0")]

    assert current(away) == ['terminal_feed_state{connection="1",state="failed_over"} 1.0']
    assert current(make_report()) == ['terminal_feed_state{connection="1",state="live"} 1.0']


def test_load_comes_from_the_database_and_drift_and_epoch_use_the_owners_report() -> None:
    lines = text_of(make_database(), make_redis(make_report()))

    assert 'terminal_feed_load{connection="1"} 100.0' in lines
    assert 'terminal_feed_drift{connection="1"} 10.0' in lines
    assert 'terminal_feed_epoch{connection="1"} 7.0' in lines


def test_a_connection_without_a_report_is_wanted_with_its_whole_load_as_drift() -> None:
    lines = text_of(make_database(), make_redis())

    assert 'terminal_feed_state{connection="1",state="wanted"} 1.0' in lines
    assert 'terminal_feed_drift{connection="1"} 100.0' in lines
    assert 'terminal_feed_epoch{connection="1"} 6.0' in lines
    assert not [line for line in lines if line.startswith("terminal_feed_packets")]


def test_samples_of_an_unavailable_server_are_missing_and_not_zero() -> None:
    without_redis = text_of(make_database(), None)
    without_database = text_of(None, make_redis(make_report()))

    assert without_redis[:2] == ['terminal_up{server="database"} 1.0', 'terminal_up{server="redis"} 0.0']
    assert not [line for line in without_redis if line.startswith(("terminal_feed_state", "terminal_feed_drift"))]
    assert without_database[:2] == ['terminal_up{server="database"} 0.0', 'terminal_up{server="redis"} 1.0']
    assert not [line for line in without_database if line.startswith(("terminal_feed_load", "terminal_feed_drift"))]
    assert 'terminal_feed_streaming{connection="1"} 90.0' in without_database


def test_counters_and_histograms_come_from_the_owners_report() -> None:
    lags = Histogram((1.0, 2.0))
    lags.add(1.5)
    statistics = FeedStatistics(
        packets=9, decode_errors={"malformed": 2}, reconnects={"mute": 1}, trade_lag=lags.read()
    )

    lines = text_of(None, make_redis(make_report(statistics=statistics)))

    assert 'terminal_feed_packets_total{connection="1"} 9.0' in lines
    assert 'terminal_feed_decode_errors_total{connection="1",kind="malformed"} 2.0' in lines
    assert 'terminal_feed_reconnects_total{cause="mute",connection="1"} 1.0' in lines
    assert 'terminal_feed_trade_lag_seconds_bucket{connection="1",le="1"} 0.0' in lines
    assert 'terminal_feed_trade_lag_seconds_bucket{connection="1",le="2"} 1.0' in lines
    assert 'terminal_feed_trade_lag_seconds_bucket{connection="1",le="+Inf"} 1.0' in lines
    assert 'terminal_feed_trade_lag_seconds_sum{connection="1"} 1.5' in lines


def test_queues_have_their_lengths_and_a_task_that_never_ran_has_no_timestamp() -> None:
    lines = text_of(None, make_redis())

    assert 'terminal_queue_tasks{queue="default"} 3.0' in lines
    assert len([line for line in lines if line.startswith("terminal_task_last_run_timestamp_seconds")]) == 1


def test_odd_items_are_counted_by_answer_and_kind() -> None:
    redis = replace(make_redis(), odd_items={("quote", "null"): 2, ("ltp", "text"): 1})

    lines = text_of(None, redis)

    assert [line for line in lines if line.startswith("terminal_rest_odd_items")] == [
        'terminal_rest_odd_items_total{answer="quote",kind="null"} 2.0',
        'terminal_rest_odd_items_total{answer="ltp",kind="text"} 1.0',
    ]


def test_the_only_sample_of_the_token_is_its_expiry() -> None:
    lines = text_of(make_database(token_ends_at=NOW), None)

    assert [line for line in lines if "token" in line] == ["terminal_token_expires_timestamp_seconds 1.7706978e+09"]
    assert not [line for line in text_of(make_database(), None) if "token" in line]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_a_peer_on_loopback_is_local(address: str) -> None:
    assert is_local({"REMOTE_ADDR": address}, proxies=0)


@pytest.mark.parametrize(
    "address", ["203.0.113.9", "10.0.0.1", "::ffff:203.0.113.9", "2001:db8::1", "", "unix:", "localhost"]
)
def test_a_peer_outside_loopback_is_not_local(address: str) -> None:
    assert not is_local({"REMOTE_ADDR": address}, proxies=0)


@pytest.mark.parametrize(
    "header",
    ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA", "HTTP_X_FORWARDED_HOST"],
)
@pytest.mark.parametrize("value", ["127.0.0.1", "for=127.0.0.1", ""])
def test_a_request_with_a_proxy_header_is_never_local(header: str, value: str) -> None:
    assert not is_local({"REMOTE_ADDR": "127.0.0.1", header: value}, proxies=0)


def test_behind_a_declared_proxy_no_peer_is_local() -> None:
    assert not is_local({"REMOTE_ADDR": "127.0.0.1"}, proxies=1)
