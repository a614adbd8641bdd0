"""Browser sockets in the process of the test."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import User
from marketdata.models import Instrument
from marketdata.streaming.details import DETAILS_VERSION
from marketdata.streaming.frames import BrowserFrame
from marketdata.streaming.hub import QuoteHub
from marketdata.streaming.scans import ScanRelay
from subscriptions.domain.claims import Tier
from subscriptions.models import Subscription
from terminal.asgi import socket_application
from tests.factories import NOW, PASSWORD
from tests.frame_readers import decode_browser_frame, decode_details
from tests.integration.watchlists.consumer.change_receivers import serving
from watchlists.login_monitor import LoginMonitor
from watchlists.models import DEFAULT_LIST, EntryKind, NamedList, WatchlistEntry
from watchlists.shared_watches import SharedWatches

HOST = "testserver"


@dataclass
class BrowserSocket:
    """One open browser socket with the prices, frames and kinds of messages that it received."""

    socket: WebsocketCommunicator
    cookie: str = ""
    prices: dict[int, float] = field(default_factory=dict)
    frames: list[BrowserFrame] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    chains: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Each answer to a watch of a chain, with the number of frames received before it."""
    best_bids: dict[int, float] = field(default_factory=dict)
    """Of the frames of details."""

    async def send(self, **message: Any) -> None:
        await self.socket.send_to(text_data=json.dumps(message))

    async def receive(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return the next message of this kind with these fields; apply the frames before it."""
        async with asyncio.timeout(8):
            while True:
                message = await self._next()
                if message is not None and message["type"] == kind and fields.items() <= message.items():
                    return message

    async def receive_bid(self, instrument_id: int, price: float) -> None:
        """Apply frames until the details of an instrument have this best bid."""
        await self.receive_until(lambda _: self.best_bids.get(instrument_id) == price)

    async def receive_until(self, is_so: Callable[[dict[int, float]], bool]) -> None:
        """Apply frames until the prices satisfy `is_so`."""
        async with asyncio.timeout(8):
            while not is_so(self.prices):
                await self._next()

    async def receive_shown_chain(self, **fields: Any) -> dict[str, Any]:
        """Return the newest chain once it has these fields; a chain is sent again only when it changes."""
        await self.receive_until(lambda _: bool(self.chains) and fields.items() <= self.chains[-1][1].items())
        return self.chains[-1][1]

    async def receive_frame(self) -> None:
        """Apply messages up to the next frame."""
        frames = len(self.frames)
        await self.receive_until(lambda _: len(self.frames) > frames)

    async def receive_close_code(self) -> int:
        async with asyncio.timeout(8):
            while True:
                event = await self.socket.receive_output(8)
                if event["type"] == "websocket.close":
                    return int(event["code"])

    async def _next(self) -> dict[str, Any] | None:
        event = await self.socket.receive_output(8)
        assert event["type"] == "websocket.send", event
        if event.get("text") is not None:
            message: dict[str, Any] = json.loads(event["text"])
            self.kinds.append(message["type"])
            if message["type"] == "chain":
                self.chains.append((len(self.frames), message))
            return message
        if event["bytes"][0] == DETAILS_VERSION:
            rows = decode_details(event["bytes"])
            self.best_bids |= {int(row["instrument_id"]): float(row["depth"][0]["bid_price"]) for row in rows}
            return None
        frame = decode_browser_frame(event["bytes"])
        self.frames.append(frame)
        self.prices |= {int(row["instrument_id"]): float(row["ltp"]) for row in frame.rows if row["known"]}
        await self.send(type="ack", seq=frame.sequence)
        return None


def session_cookie(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def change_password(user: User) -> None:
    user.set_password("another one")
    user.save()


def change_password_on_the_page(user: User) -> None:
    """Change the password of `user` as another browser does on the settings page."""
    client = Client()
    client.force_login(user)
    new = "another long password"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/settings/password", form).status_code == 302


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def delete_sessions(user: User) -> None:
    """Delete the login sessions of every user, as `clearsessions` does with those that have expired."""
    Session.objects.all().delete()


def log_out(cookie: str) -> None:
    client = Client()
    client.cookies["sessionid"] = cookie
    assert client.post("/logout/").status_code == 302


def subscribe(instrument: Instrument) -> None:
    Subscription.objects.create(instrument=instrument, connection_id=1, tier=Tier.A, mode="ticker", since=NOW)


def add_share(user: User, share: Instrument) -> None:
    NamedList.objects.get_or_create(user=user, name=DEFAULT_LIST)
    WatchlistEntry.objects.create(
        user=user, kind=EntryKind.EQUITY, instrument=share, underlying_symbol=share.underlying_symbol, added_at=NOW
    )


def make_communicator(
    hub: QuoteHub,
    cookie: str,
    *,
    origin: str,
    shared: SharedWatches,
    logins: LoginMonitor,
    relay: ScanRelay | None = None,
) -> WebsocketCommunicator:
    application = socket_application(hub, shared=shared, logins=logins, relay=relay or ScanRelay())
    headers = [(b"host", HOST.encode()), (b"cookie", f"sessionid={cookie}".encode())]
    if origin:
        headers.append((b"origin", origin.encode()))
    return WebsocketCommunicator(application, "/ws/market/", headers=headers)


@asynccontextmanager
async def open_socket(
    hub: QuoteHub,
    user: User | None,
    *,
    review: float = 60.0,
    shared: SharedWatches | None = None,
    relay: ScanRelay | None = None,
) -> AsyncIterator[BrowserSocket]:
    """Yield a socket with watches of its own, or with those of `shared`.

    Its own watches, and its login, are read again after `review` seconds if nothing announces a change.
    """
    cookie = await database_sync_to_async(session_cookie)(user) if user else ""
    own, logins = SharedWatches(follow_seconds=review, refresh_seconds=review), LoginMonitor(check_seconds=review)
    scans = relay or ScanRelay()
    socket = make_communicator(hub, cookie, origin=f"http://{HOST}", shared=shared or own, logins=logins, relay=scans)
    async with serving(own):
        is_accepted, _ = await socket.connect(timeout=8)
        assert is_accepted
        try:
            yield BrowserSocket(socket, cookie)
        finally:
            await socket.disconnect(timeout=8)
            await logins.aclose()
            await scans.aclose()
