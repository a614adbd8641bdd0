"""R17: Redis is emptied under a running market: the processes and PostgreSQL fill it again."""

import os
import signal
from pathlib import Path

import redis

from marketdata import quote_board
from tests.faults.markets import COUNT, placement, running_market
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    is_streaming,
    list_subscribed_keys,
    list_wanted_keys,
    make_subscriptions,
    wait_until_streaming,
)
from tests.own_servers import OwnServers
from tests.waiting import wait_promised, wait_until

REBUILT_SECONDS = 10.0


def test_r17_an_emptied_redis_is_filled_again_and_no_subscription_moves(servers: OwnServers, tmp_path: Path) -> None:
    with running_market(tmp_path) as market, redis.Redis.from_url(servers.redis.url) as client:
        board, before = quote_board.connect(), placement()
        epochs = {one.connection: one.epoch for one in board.list_reports()}
        wait_until(lambda: len(board.read_cached(market.watched)) == COUNT, seconds=5, message="all rows are cached")

        # The broker sends no tick, so that the rows cached again are the known ones and not newer ticks.
        os.kill(market.simulator.process_id, signal.SIGSTOP)
        client.flushall()
        took = wait_promised(
            lambda: len(board.read_cached(market.watched)) == COUNT,
            seconds=REBUILT_SECONDS,
            message="all rows are cached again",
        )
        os.kill(market.simulator.process_id, signal.SIGCONT)

        wait_promised(
            lambda: is_streaming(COUNT), seconds=REBUILT_SECONDS - took, message="all instruments are reported again"
        )
        market.wait_for_ticks(seconds=5)
        assert placement() == before
        assert {one.connection: one.epoch for one in board.list_reports()} == epochs
        assert count_opened_sockets(market.simulator) == 5
        # Nudges arrive as before.
        make_subscriptions(market.simulator, count=5, skip=COUNT)
        board.nudge()
        wait_until_streaming(COUNT + 5, seconds=5)
        assert list_subscribed_keys(market.simulator) == list_wanted_keys()
        assert market.browser.close_code is None
