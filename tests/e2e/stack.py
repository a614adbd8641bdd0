"""Processes of the terminal on the test's database and Redis prefix."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from accounts.models import User
from marketdata import services
from tests.integration.subscriptions.feed.feed_workers import Worker, running_worker
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until
from tests.web_servers import running_web
from watchlists import services as watchlists

PASSWORD = "a demo password"


@dataclass(frozen=True, slots=True)
class Stack:
    """A running terminal."""

    url: str
    simulator: SimulatorAddress
    feed: Worker

    def freeze_feed(self) -> None:
        """Suspend the feed worker, like a hung machine."""
        self.feed.process.send_signal(signal.SIGSTOP)

    def thaw_feed(self) -> None:
        self.feed.process.send_signal(signal.SIGCONT)

    def count_streams(self) -> int:
        """Return how many instruments the broker streams."""
        with urllib.request.urlopen(f"{self.simulator.control_url}/subscribed", timeout=10) as answer:  # noqa: S310
            return len(json.load(answer))

    def reset(self) -> None:
        """Remove what traders added and what staff set for them; return once nothing streams."""
        watchlists.clear_watchlists(actor="test", now=timezone.now())
        User.objects.update(instrument_quota=None)
        connection.close()
        wait_until(lambda: self.count_streams() == 0, message="nothing streams")


@contextmanager
def running_stack(directory: Path) -> Iterator[Stack]:
    """Yield a terminal on a small simulated market; its logs are in `directory`."""
    static = directory / "static"
    with ExitStack() as pieces:
        simulator = pieces.enter_context(running_simulator(rate=2_000))
        services.import_instruments(source=simulator.instruments_url, now=timezone.now())
        feed = pieces.enter_context(running_worker(directory, name="feed", simulator=simulator))
        address = pieces.enter_context(
            running_web(
                directory,
                STATIC_ROOT=_gathered(static),
                DHAN_REST_URL=simulator.rest_url,
                DHAN_CLIENT_ID=simulator.client_id,
                DHAN_ACCESS_TOKEN=simulator.access_token,
            )
        )
        stack = Stack(f"http://{address}", simulator, feed)
        # A suspended process does not receive SIGTERM.
        pieces.callback(stack.thaw_feed)
        yield stack


def _gathered(static: Path) -> str:
    """Collect the static files, with hashed names as in production; return their directory."""

    with override_settings(STATIC_ROOT=str(static)):
        call_command("collectstatic", interactive=False, verbosity=0)
    return str(static)
