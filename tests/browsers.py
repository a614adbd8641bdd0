"""A browser's socket without a browser: it watches instruments, acknowledges, and remembers when it saw what."""

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
    """What one socket has seen so far; times are of `time.monotonic`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.ticked_at: list[float] = []
        """When frames came that held a quote younger than a second."""
        self.seen_at: dict[int, float] = {}
        """When the newest quote of each instrument came."""
        self.snapshots = 0
        self.feed: dict[str, Any] = {}
        self.notes: list[dict[str, Any]] = []
        self.close_code: int | None = None

    def read(self) -> None:
        """Read until the socket is closed."""
        try:
            for payload in self._socket:
                if isinstance(payload, bytes):
                    self._take_in(payload)
                else:
                    self._hear(json.loads(payload))
        except ConnectionClosed:
            pass
        self.close_code = self._socket.close_code

    def watch(self, name: str, instrument_ids: Sequence[int]) -> None:
        """Ask for instruments under a name."""
        self._socket.send(json.dumps({"type": "watch", "id": name, "instruments": list(instrument_ids)}))

    def answers(self, name: str) -> list[dict[str, Any]]:
        """Return what was said of a watch that was understood."""
        return [one for one in self.notes if one.get("id") == name and one["type"] != "error"]

    def has_heard(self, kind: str) -> bool:
        """Say whether a message of a kind came."""
        return any(one["type"] == kind for one in self.notes)

    def has_seen_since(self, when: float) -> set[int]:
        """Return the instruments of which quotes came after a time."""
        return {one for one, at in list(self.seen_at.items()) if at > when}

    def longest_gap(self, since: float) -> float:
        """Return the longest time without a tick from `since` to now, in seconds."""
        seen = [since, *(at for at in self.ticked_at if at > since), time.monotonic()]
        return max(after - before for before, after in pairwise(seen))

    def _take_in(self, payload: bytes) -> None:
        frame = decode_browser_frame(payload)
        self.snapshots += frame.kind is BrowserFrameKind.SNAPSHOT
        known = frame.rows[frame.rows["known"] > 0]
        if len(known) and int(known["age_ms"].min()) < 1_000:
            self.ticked_at.append(time.monotonic())
        self.seen_at |= dict.fromkeys(known["instrument_id"].tolist(), time.monotonic())
        self._socket.send(json.dumps({"type": "ack", "seq": frame.sequence}))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "feed":
            self.feed = message
        else:
            self.notes.append(message)


def log_in(username: str) -> str:
    """Return the session cookie of a new trader."""
    client = Client()
    client.force_login(User.objects.create_user(username))
    return client.cookies["sessionid"].value


@contextmanager
def watching_browser(web: str, cookie: str, instrument_ids: Sequence[int]) -> Iterator[Browser]:
    """Yield a browser at `web` (host:port) that watches instruments, read by a thread of its own."""
    headers = {"Cookie": f"sessionid={cookie}", "Origin": f"http://{web}"}
    with connect(f"ws://{web}/ws/market/", additional_headers=headers, max_size=2**24) as socket:
        browser = Browser(socket)
        reader = threading.Thread(target=browser.read, daemon=True)
        reader.start()
        with suppress(ConnectionClosed):  # It may be sent away at once; `close_code` says so.
            browser.watch("all", instrument_ids)
        yield browser
    reader.join(JOIN_SECONDS)
