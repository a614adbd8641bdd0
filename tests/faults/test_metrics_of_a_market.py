"""/metrics and /health of a running market, before PostgreSQL hangs and while it hangs."""

import json
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.faults.markets import COUNT, Market, running_market
from tests.own_servers import OwnServers
from tests.waiting import wait_until

SCRAPE_SECONDS = 10.0
"""The default scrape timeout of Prometheus."""


def scrape(market: Market) -> dict[str, float]:
    """Return the samples by name and labels, as a scraper on this machine receives them."""
    with urllib.request.urlopen(f"http://{market.web}/metrics", timeout=SCRAPE_SECONDS) as reply:
        lines = [line for line in reply.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def ask_health(market: Market) -> tuple[int, dict[str, dict[str, object]]]:
    try:
        with urllib.request.urlopen(f"http://{market.web}/health", timeout=SCRAPE_SECONDS) as reply:
            return reply.status, json.load(reply)["parts"]
    except HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)["parts"]


def refusal_of(market: Market, headers: dict[str, str]) -> int:
    request = urllib.request.Request(f"http://{market.web}/metrics", headers=headers)
    with pytest.raises(HTTPError) as refusal, urllib.request.urlopen(request, timeout=SCRAPE_SECONDS):  # noqa: S310  loopback
        pass
    with refusal.value:
        return refusal.value.code


def total(samples: dict[str, float], name: str) -> float:
    """Return the sum of a metric over all connections."""
    return sum(value for labelled, value in samples.items() if labelled.startswith(name + "{"))


def packets(samples: dict[str, float]) -> float:
    return total(samples, "terminal_feed_packets_total")


def late_trades(samples: dict[str, float]) -> float:
    """Return the number of trades that arrived more than three seconds late."""
    name = "terminal_feed_trade_lag_seconds"
    in_time = sum(value for labelled, value in samples.items() if labelled.startswith(name) and 'le="3"' in labelled)
    return total(samples, f"{name}_count") - in_time


def test_metrics_show_a_market_and_lack_only_database_values_while_postgres_hangs(
    servers: OwnServers, tmp_path: Path
) -> None:
    with running_market(tmp_path) as market:
        wait_until(
            lambda: total(scrape(market), "terminal_feed_trade_lag_seconds_count") > 0,
            seconds=20,
            message="a trade of a liquid instrument is counted",
        )
        before = scrape(market)
        assert total(before, "terminal_feed_streaming") == COUNT
        assert total(before, "terminal_feed_load") == COUNT
        assert total(before, "terminal_feed_drift") == 0
        assert total(before, "terminal_feed_bytes_total") > packets(before) > 0
        assert total(before, "terminal_feed_flush_seconds_count") > 0
        assert total(before, "terminal_feed_publish_lag_seconds_count") > 0
        assert before["terminal_web_browsers"] == 1
        wait_until(lambda: ask_health(market)[1]["feed"]["status"] == "ok", seconds=10, message="the feed is ok")
        # The ASGI server trusts a proxy on loopback; the product does not.
        for claimed in ("127.0.0.1", "203.0.113.9", "127.0.0.1, 203.0.113.9"):
            assert refusal_of(market, {"X-Forwarded-For": claimed}) == 403

        market.simulator.set_fault("delayed_feed", 4)
        wait_until(
            lambda: late_trades(scrape(market)) > late_trades(before), seconds=30, message="late trades are counted"
        )
        market.simulator.clear_faults()

        with servers.frozen_postgres():
            wait_until(
                lambda: packets(scrape(market)) > packets(before),
                seconds=20,
                message="packets are counted while PostgreSQL hangs",
            )
            during = scrape(market)
            status, parts = ask_health(market)

        assert during['terminal_up{server="database"}'] == 0
        assert during['terminal_up{server="redis"}'] == 1
        assert total(during, "terminal_feed_load") == 0  # no sample
        assert total(during, "terminal_feed_streaming") == COUNT
        assert (status, parts["database"]["status"], parts["redis"]["status"]) == (200, "degraded", "ok")

        market.simulator.set_fault("disconnect_code", 805, connection=1)
        wait_until(
            lambda: total(scrape(market), "terminal_feed_streaming") == 0,
            seconds=20,
            message="no owner reports it as streaming",
        )
        in_cooldown = scrape(market)
        assert in_cooldown["terminal_feed_quiet_seconds"] > 0
        assert total(in_cooldown, "terminal_feed_drift") == COUNT
        assert total(in_cooldown, "terminal_feed_reconnects_total") >= 5
        _, parts = ask_health(market)
        assert (parts["gate"]["status"], parts["feed"]["status"]) == ("degraded", "failing")
        assert "805" in str(parts["gate"]["reason"])
