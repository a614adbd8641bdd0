"""Processes of the terminal on the test's database and Redis prefix."""

import json
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import ColumnLayout, User, UserPreferences
from marketdata import services
from tests.integration.subscriptions.feed.feed_workers import Worker, running_worker
from tests.simulators import SimulatorAddress, running_simulator
from tests.waiting import wait_until
from tests.web_servers import running_web
from watchlists import services as watchlists

PASSWORD = "a demo password"
"""Of trader1."""

USED = re.compile(r"^(NSE|BSE),I,|,(RELIANCE|NIFTY)\b")
"""Rows of the instrument file: all indices, without which it is refused, and a quarter of the rest."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Stack:
    """A running terminal."""

    url: str
    simulator: SimulatorAddress
    feed: Worker
    web_variables: Mapping[str, str]
    """Settings of the web process, for a test that runs one of its own."""

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
        """Remove what traders added and opened, and what staff set for them; return once nothing streams."""
        self.thaw_feed()  # The test that froze it may have failed.
        in_separate_session(_clear_watchlists)
        wait_until(self._streams_nothing, message="nothing streams")

    def _streams_nothing(self) -> bool:
        # Each time: the web process may claim a chain after the page that opened it was closed.
        in_separate_session(lambda: watchlists.release_all_tier_a(actor="test", now=timezone.now()))
        return self.count_streams() == 0

    def log_in(self, username: str) -> str:
        """Return the session cookie of a new login session."""
        return in_separate_session(lambda: _log_in(username))


def in_separate_session(act: Callable[[], Result]) -> Result:
    """Return the result of `act`, which has its own database session: the one of a test is in a transaction."""

    def act_and_close() -> Result:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(act_and_close).result()


@contextmanager
def running_stack(
    directory: Path,
    *,
    rate: int = 2_000,
    relay: Callable[[SimulatorAddress], AbstractContextManager[SimulatorAddress]] = nullcontext,
) -> Iterator[Stack]:
    """Yield a terminal on a small simulated market with the users trader1 and staff; its logs are in `directory`.

    The simulator sends `rate` packets a second; the feed worker connects to the address that `relay` yields.
    """
    with ExitStack() as pieces, ThreadPoolExecutor(max_workers=1) as pool:
        # What this process prepares, it prepares while the other processes start.
        gathered = pool.submit(_gather_static, directory / "static")
        simulator = pieces.enter_context(running_simulator(rate=rate))
        broker = pieces.enter_context(relay(simulator))
        feed = pieces.enter_context(running_worker(directory, name="feed", simulator=broker))
        gathered.result()
        filled = pool.submit(_fill_database, simulator, directory / "instruments.csv")
        variables = {
            "STATIC_ROOT": str(directory / "static"),
            "DHAN_REST_URL": simulator.rest_url,
            "DHAN_CLIENT_ID": simulator.client_id,
            "DHAN_ACCESS_TOKEN": simulator.access_token,
        }
        address = pieces.enter_context(running_web(directory, **variables))
        filled.result()
        stack = Stack(f"http://{address}", simulator, feed, variables)
        # A suspended process does not receive SIGTERM.
        pieces.callback(stack.thaw_feed)
        yield stack


def _gather_static(directory: Path) -> None:
    """Collect the static files, with hashed names as in production."""
    with override_settings(STATIC_ROOT=str(directory)):
        call_command("collectstatic", interactive=False, verbosity=0)


def _fill_database(simulator: SimulatorAddress, instruments: Path) -> None:
    """Import the broker's rows of the underlyings that the tests use, and add the users."""
    try:
        with urllib.request.urlopen(simulator.instruments_url, timeout=10) as answer:  # noqa: S310  loopback
            header, *rows = answer.read().decode().splitlines()
        instruments.write_text("\n".join([header, *(row for row in rows if USED.search(row))]))
        assert services.import_instruments(source=str(instruments), now=timezone.now()).refusal == ""
        User.objects.create_user("trader1", password=PASSWORD)
        User.objects.create_superuser("staff")
    finally:
        connection.close()


def _clear_watchlists() -> None:
    watchlists.clear_watchlists(actor="test", now=timezone.now())
    User.objects.update(instrument_quota=None)
    UserPreferences.objects.all().delete()
    ColumnLayout.objects.all().delete()


def _log_in(username: str) -> str:
    client = Client()
    client.force_login(User.objects.get(username=username))
    return client.cookies["sessionid"].value


FEED_IS_LIVE: Final = re.compile(
    r"^All \d broker connections are live|^The market is closed\. Prices are from the last session, [^.]+\.$"
)


def expect_live_feed(page: Page, *, seconds: float = 60) -> None:
    """Wait until the chip reports no fault of the feed.

    On a day without a session it says that the market is closed, until a trade shows that the simulator's is not.
    """
    expect(page.locator("#connection")).to_have_attribute("title", FEED_IS_LIVE, timeout=1_000 * seconds)
