"""R20: all processes restart in a session, after SIGTERM or a power cut: every instrument stays on its connection."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.db import connection

from marketdata import quote_board
from tests.browsers import Browser, log_in, watching_browser
from tests.faults.markets import placement, wait_for_ticks
from tests.integration.subscriptions.feed.feed_workers import (
    Worker,
    list_subscribed_keys,
    list_wanted_keys,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.own_servers import OwnServers
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import promised_seconds, wait_until
from tests.web_servers import running_web_process

COUNT = 40
DRAIN_SECONDS = 5
FIRST_TICK_SECONDS = 10
ALL_SECONDS = 30


@contextmanager
def running_stack(
    directory: Path, name: str, simulator: SimulatorAddress, watched: list[int], cookie: str
) -> Iterator[tuple[Worker, int, Browser]]:
    """Yield a feed worker, the web process's id and a browser that receives prices, with all instruments streaming."""
    home = directory / name
    home.mkdir()
    with (
        running_worker(home, name=name, simulator=simulator) as feed,
        running_web_process(home) as (address, process),
        watching_browser(address, cookie, watched) as browser,
    ):
        wait_until_streaming(COUNT, seconds=ALL_SECONDS)
        wait_for_ticks(browser, seconds=10)
        yield feed, process.pid, browser


def test_r20_after_a_full_restart_each_instrument_is_on_its_former_connection(
    servers: OwnServers, tmp_path: Path
) -> None:
    with running_simulator(rate=2_000) as simulator:
        watched = [one.instrument_id for one in make_subscriptions(simulator, count=COUNT)]
        cookie = log_in("asha")
        placed = placement()
        with running_stack(tmp_path, "first", simulator, watched, cookie) as (feed, web, browser):
            sent = quote_board.connect().list_sent()

            os.kill(web, signal.SIGTERM)
            feed.process.send_signal(signal.SIGTERM)

            assert feed.process.wait(DRAIN_SECONDS) == 0
            wait_until(
                lambda: browser.close_code is not None,
                seconds=DRAIN_SECONDS,
                message="the browser receives a close code",
            )
            assert browser.close_code == 1012

        with running_stack(tmp_path, "second", simulator, watched, cookie) as (feed, web, _):
            assert quote_board.connect().list_sent() == sent
            assert placement() == placed

            feed.kill()
            os.kill(web, signal.SIGKILL)
            servers.kill_redis()
            connection.close()
            servers.stop_postgres(signal.SIGQUIT)

        with promised_seconds() as took, ExitStack() as stack:
            servers.start_postgres()
            servers.start_redis()
            stack.enter_context(running_stack(tmp_path, "third", simulator, watched, cookie))
            assert took.seconds < FIRST_TICK_SECONDS
            assert quote_board.connect().list_sent() == sent
            assert placement() == placed
            assert list_subscribed_keys(simulator) == list_wanted_keys()
