"""R16: the line to Redis goes dead without a word: nobody waits at it for ever, and all come back with the line."""

from pathlib import Path

from tests.faults.markets import COUNT, placement, running_market
from tests.integration.subscriptions.feed.feed_workers import count_opened_sockets, wait_until_streaming
from tests.own_servers import OwnServers
from tests.proxies import running_proxy
from tests.waiting import wait_until


def test_r16_a_dead_line_is_noticed_by_its_silence_and_joined_anew(servers: OwnServers, tmp_path: Path) -> None:
    with running_proxy(servers.redis.port) as line:
        through_line = {"REDIS_URL": servers.redis.url.replace(f":{servers.redis.port}/", f":{line.port}/")}
        with running_market(tmp_path, feed_variables=through_line, web_variables=through_line) as market:
            log, before = (tmp_path / "web.log"), placement()
            lost, joined = log.read_bytes().count(b"the bus is lost"), log.read_bytes().count(b"joined the bus")

            # What is open stays open and carries nothing; whoever comes anew gets through.
            line.deaden()

            wait_until(
                lambda: log.read_bytes().count(b"the bus is lost") > lost, seconds=8, message="the loss is noticed"
            )
            wait_until(
                lambda: log.read_bytes().count(b"joined the bus") > joined, seconds=5, message="the bus is joined"
            )
            market.wait_for_ticks(seconds=10)
            wait_until_streaming(COUNT, seconds=10)
            assert placement() == before
            assert count_opened_sockets(market.simulator) == 5
            assert market.browser.close_code is None
