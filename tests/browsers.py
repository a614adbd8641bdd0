"""A client of the browser socket: it watches instruments, acknowledges frames and records times of arrival."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

from django.test import Client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from accounts.models import User
from marketdata.streaming.frames import BrowserFrameKind
from tests.frame_readers import decode_browser_frame

JOIN_SECONDS = 10.0


class Browser:
    """Messages and times of arrival on one socket; times are of `time.monotonic`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.ticked_at: list[float] = []
        """Arrival times of frames that contain a quote younger than a second."""
        self.seen_at: dict[int, float] = {}
        """Arrival time of the newest quote of each instrument."""
        self.frames = 0
        self.snapshots = 0
        self.feed: dict[str, Any] = {}
        self.feeds: list[tuple[int, dict[str, Any]]] = []
        """All statuses of the feed with their arrival, true UTC epoch in ms."""
        self.notes: list[dict[str, Any]] = []
        self.close_code: int | None = None

    def read(self) -> None:
        """Read until the socket is closed."""
        try:
            for payload in self._socket:
                if isinstance(payload, bytes):
                    self._receive_frame(payload)
                else:
                    self._receive_message(json.loads(payload))
        except ConnectionClosed:
            pass
        self.close_code = self._socket.close_code

    def watch(self, name: str, instrument_ids: Sequence[int]) -> None:
        """Watch instruments under a name."""
        self._socket.send(json.dumps({"type": "watch", "id": name, "instruments": list(instrument_ids)}))

    def watch_chain(self, name: str, symbol: str) -> None:
        """Watch the nearest chain of a symbol under a name."""
        self._socket.send(json.dumps({"type": "watch", "id": name, "chain": {"symbol": symbol}}))

    def watch_list(self, name: str) -> None:
        """Watch the trader's watchlist under a name."""
        self._socket.send(json.dumps({"type": "watch", "id": name, "watchlist": True}))

    def answers(self, name: str) -> list[dict[str, Any]]:
        """Return the messages about the watch `name`, without errors."""
        return [one for one in self.notes if one.get("id") == name and one["type"] != "error"]

    def has_received(self, kind: str) -> bool:
        """Return whether a message of that type arrived."""
        return any(one["type"] == kind for one in self.notes)

    def shown_at_ms(self, connection: int, state: str, *, since_ms: int) -> int | None:
        """Return when a connection was first shown in that state after `since_ms`, both true UTC epochs."""
        for at, feed in list(self.feeds):
            states = {one["number"]: one["state"] for one in feed["connections"]}
            if at >= since_ms and states[connection] == state:
                return at
        return None

    def list_updated_since(self, when: float) -> set[int]:
        """Return the instruments with a quote after `when`."""
        return {one for one, at in list(self.seen_at.items()) if at > when}

    def longest_gap(self, since: float) -> float:
        """Return the longest time without a tick from `since` to now, in seconds."""
        seen = [since, *(at for at in self.ticked_at if at > since), time.monotonic()]
        return max(after - before for before, after in pairwise(seen))

    def _receive_frame(self, payload: bytes) -> None:
        frame = decode_browser_frame(payload)
        self.frames += 1
        self.snapshots += frame.kind is BrowserFrameKind.SNAPSHOT
        known = frame.rows[frame.rows["known"] > 0]
        if len(known) and int(known["age_ms"].min()) < 1_000:
            self.ticked_at.append(time.monotonic())
        self.seen_at |= dict.fromkeys(known["instrument_id"].tolist(), time.monotonic())
        self._socket.send(json.dumps({"type": "ack", "seq": frame.sequence}))

    def _receive_message(self, message: dict[str, Any]) -> None:
        if message["type"] == "feed":
            self.feed = message
            self.feeds.append((time.time_ns() // 1_000_000, message))
        else:
            self.notes.append(message)


def log_in(username: str) -> str:
    """Return the session cookie of a new trader."""
    client = Client()
    client.force_login(User.objects.create_user(username))
    return client.cookies["sessionid"].value


@contextmanager
def watching_browser(web: str, cookie: str, instrument_ids: Sequence[int]) -> Iterator[Browser]:
    """Yield a browser at `web` (host:port) that watches instruments; a separate thread reads its socket."""
    headers = {"Cookie": f"sessionid={cookie}", "Origin": f"http://{web}"}
    with connect(f"ws://{web}/ws/market/", additional_headers=headers, max_size=2**24) as socket:
        browser = Browser(socket)
        reader = threading.Thread(target=browser.read, daemon=True)
        reader.start()
        with suppress(ConnectionClosed):  # The server may close it at once; see `close_code`.
            browser.watch("all", instrument_ids)
        yield browser
    reader.join(JOIN_SECONDS)
