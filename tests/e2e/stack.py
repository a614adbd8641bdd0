"""Processes of the terminal on the test's database and Redis prefix."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone

from marketdata import services
from tests.integration.subscriptions.feed.feed_workers import Worker, running_worker
from tests.simulators import SimulatorAddress, running_simulator
from tests.web_servers import running_web


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
