"""R16: the connections to Redis are half-open: no process waits without a limit, and all reconnect."""

from pathlib import Path

from tests.faults.markets import COUNT, placement, running_market
from tests.integration.subscriptions.feed.feed_workers import count_opened_sockets, wait_until_streaming
from tests.own_servers import OwnServers
from tests.proxies import running_proxy
from tests.waiting import wait_promised

DETECT_SECONDS = 5.0


def test_r16_a_half_open_redis_connection_is_detected_and_replaced(servers: OwnServers, tmp_path: Path) -> None:
    with running_proxy(servers.redis.port) as proxy:
        through_proxy = {"REDIS_URL": servers.redis.url.replace(f":{servers.redis.port}/", f":{proxy.port}/")}
        with running_market(tmp_path, feed_variables=through_proxy, web_variables=through_proxy) as market:
            log, before = (tmp_path / "web.log"), placement()
            lost = log.read_bytes().count(b"bus lost (")

            # Open connections stay open and carry nothing; new ones work.
            proxy.make_half_open()

            wait_promised(
                lambda: log.read_bytes().count(b"bus lost (") > lost,
                seconds=DETECT_SECONDS,
                message="the loss of the bus is logged",
            )
            market.wait_for_ticks(seconds=10)
            wait_until_streaming(COUNT, seconds=10)
            assert placement() == before
            assert count_opened_sockets(market.simulator) == 5
            assert market.browser.close_code is None
