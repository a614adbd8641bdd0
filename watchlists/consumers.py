"""The consumer of the browser's WebSocket: parses messages, answers watches, sends frames and notices.

One task per socket runs five loops: frames from the hub, answers to watches, their later meanings, scans, and the wait
for the end of the login session. If a loop ends, the socket is closed and the browser reconnects. Channels dispatches
one message at a time, and a watch may wait for the broker: so acknowledgements and the other watches do not wait behind
it. What a watch means, and whether the session is valid, all sockets of the process read together (`shared_watches`,
`login_monitor`). Notices come over the Channels layer by user group; quotes do not. Messages and close codes:
`marketdata.streaming.messages`, `marketdata.streaming.frames`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import orjson
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer

from marketdata.domain.analytics.rankings import Scan
from marketdata.notices import user_group
from marketdata.streaming import messages
from marketdata.streaming.client import Client
from marketdata.streaming.frames import CloseCode
from marketdata.streaming.hub import QuoteHub
from marketdata.streaming.messages import MessageError, Watch
from marketdata.streaming.scans import ScanRelay
from watchlists.login_monitor import Login, LoginMonitor
from watchlists.shared_watches import Outcome, SharedWatches
from watchlists.watch_resolver import ResolvedWatch

logger = logging.getLogger(__name__)

DIRECT_SEND: Final = "direct_send"
"""Key of the scope: the server's `send`, for frames. That of the session middleware looks at the session each time."""
LONGEST_ACKNOWLEDGEMENT: Final = 64  # chosen: twice the 32 characters of one with a large sequence
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

PROTOCOL: Final = 1  # Raised when the wire changes so that an older page cannot read it.


class MarketConsumer(AsyncWebsocketConsumer):
    """One browser tab."""

    def __init__(self, *, hub: QuoteHub, shared: SharedWatches, logins: LoginMonitor, relay: ScanRelay) -> None:
        super().__init__()
        self.hub = hub
        self.shared = shared
        self.logins = logins
        self.relay = relay
        self.user_id: int | None = None
        self.client: Client | None = None
        self.watches: dict[str, tuple[Watch, ResolvedWatch]] = {}
        self.pending: dict[str, Watch] = {}
        self.updates: dict[str, tuple[Watch, Outcome]] = {}
        self.has_pending = asyncio.Event()
        self.has_updates = asyncio.Event()
        # By watch id; and the newest text of each, until it is sent.
        self.scans: dict[str, Scan] = {}
        self.scan_texts: dict[Scan, str] = {}
        self.has_scan_texts = asyncio.Event()
        self.work: asyncio.Task[None] | None = None
        self.send_directly: Send

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve the socket; at its end, remove the client from the hub and leave the user group."""
        self.send_directly = scope.get(DIRECT_SEND, send)
        try:
            await super().__call__(scope, partial(self._receive_others, receive), send)
        finally:
            await self._leave()

    async def _receive_others(self, receive: Receive) -> Any:
        """Return the next message that is no acknowledgement.

        One of those comes with every frame, and Channels starts a task for each message that it is given.
        """
        while True:
            message = await receive()
            text = message.get("text")
            if self.client is None or text is None or len(text) > LONGEST_ACKNOWLEDGEMENT:
                return message
            try:
                parsed = messages.parse_client_message(text)
            except MessageError:
                return message
            if not isinstance(parsed, messages.Acknowledge):
                return message
            self.client.outbox.acknowledge(parsed.sequence)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler of a message, at once.

        Channels first closes old database connections in the thread that all sockets share. No handler uses the
        database in it, and a query of another socket that hangs there would hold back the acknowledgements, and with
        them the prices, of every browser.
        """
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            raise ValueError(f"no handler for a message of type {message['type']}")
        await handler(message)

    async def connect(self) -> None:
        # Accept first: a browser cannot read the close code of a socket that never opened.
        await self.accept()
        user = self.scope["user"]
        if user is None or not user.is_authenticated:
            await self._end(CloseCode.LOGIN_REQUIRED)
            return
        self.user_id = user.pk
        await self.channel_layer.group_add(user_group(user.pk), self.channel_name)
        self.client = await self.hub.add_client()
        await self._send_json(
            {
                "type": "welcome",
                "protocol": PROTOCOL,
                "epoch": self.hub.epoch,
                "rate": self.client.outbox.rate_hz,
                "max_instruments": messages.MAX_INSTRUMENTS,
            }
        )
        self.work = asyncio.create_task(self._serve(self.client), name="browser socket")

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.client is None:
            return
        if bytes_data is not None or text_data is None or len(text_data) > messages.MAX_MESSAGE_BYTES:
            await self._end(CloseCode.BAD_CLIENT)
            return
        try:
            await self._dispatch(messages.parse_client_message(text_data), self.client)
        except MessageError as error:
            await self._refuse(error.code, str(error), error.watch_id)

    async def notice(self, event: Mapping[str, Any]) -> None:
        """Forward a notice of a service to the browser."""
        known = {name: event[name] for name in ("kind", "text", "lost") if name in event}
        await self._send_json({"type": "notice", **known})

    async def watchlist_changed(self, _event: Mapping[str, Any]) -> None:
        """Announce that the trader's list changed; the new answer to its watches follows where that changed too."""
        await self._send_json({"type": "watchlist_changed"})
        self.shared.note_list(self._logged_in_user())

    async def login_changed(self, _event: Mapping[str, Any]) -> None:
        """Check whether the login session of this socket is still valid."""
        if self.user_id is not None:
            self.logins.check_user(self.user_id)

    def show(self, watch: Watch, outcome: Outcome) -> None:
        """Queue the new meaning of an open watch; a newer one replaces it."""
        self.updates[watch.watch_id] = watch, outcome
        self.has_updates.set()

    def show_scan(self, scan: Scan, text: str) -> None:
        """Queue the newest message of a scan; it replaces one that was not sent."""
        self.scan_texts[scan] = text
        self.has_scan_texts.set()

    async def _dispatch(self, message: messages.ClientMessage, client: Client) -> None:
        match message:
            case messages.Acknowledge(sequence):  # With much white space: see `_receive_others`.
                client.outbox.acknowledge(sequence)
            case messages.SetRate(hz):
                client.outbox.rate_hz = hz
            case messages.Resync():
                client.resync()
            case messages.Ping():
                await self._send_json({"type": "pong"})
            case messages.Unwatch(watch_id):
                self._end_scan(watch_id)
                self._end_watch(watch_id, client)
            case messages.WatchScan(watch_id, scan):
                self._check_count(watch_id)
                self._end_watch(watch_id, client)
                self.scans[watch_id] = scan
                self.relay.watch(self, self.scans.values())
            case (
                messages.WatchChain()
                | messages.WatchWatchlist()
                | messages.WatchInstruments()
                | messages.WatchDetail() as watch
            ):
                self._queue_watch(watch)

    def _queue_watch(self, watch: Watch) -> None:
        """Queue a watch for its answer; a newer watch under the same id replaces a queued one."""
        self._check_count(watch.watch_id)
        self._end_scan(watch.watch_id)
        self.pending[watch.watch_id] = watch
        self.has_pending.set()

    def _check_count(self, watch_id: str) -> None:
        names = self.watches.keys() | self.pending.keys() | self.scans.keys() | {watch_id}
        if len(names) > messages.MAX_WATCHES:
            raise MessageError("too_many", f"One browser may have {messages.MAX_WATCHES} watches.", watch_id=watch_id)

    def _end_watch(self, watch_id: str, client: Client) -> None:
        self.pending.pop(watch_id, None)
        if self._forget(watch_id):
            self._watch_all(client)

    def _end_scan(self, watch_id: str) -> None:
        if self.scans.pop(watch_id, None) is not None:
            self.relay.watch(self, self.scans.values())

    async def _serve(self, client: Client) -> None:
        """Run the loops of the socket until one ends, then close with its code."""
        loops: list[Coroutine[Any, Any, CloseCode]] = [
            self.hub.serve(
                client,
                send_bytes=lambda payload: self.send_directly({"type": "websocket.send", "bytes": payload}),
                send_text=lambda text: self.send(text_data=text),
            ),
            self._answer_watches(client),
            self._send_updates(client),
            self._send_scans(client),
            self._wait_for_log_out(),
        ]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(OSError):  # The browser may have disconnected.
            # If two loops ended together, the lower code: codes below 4408 forbid to reconnect.
            await self._end(min(_code_of(task) for task in done))

    async def _answer_watches(self, client: Client) -> CloseCode:
        while True:
            await self.has_pending.wait()
            self.has_pending.clear()
            while self.pending:
                await self._answer(next(iter(self.pending.values())), client)

    async def _send_updates(self, client: Client) -> CloseCode:
        while True:
            await self.has_updates.wait()
            self.has_updates.clear()
            while self.updates:
                await self._update(*self.updates.pop(next(iter(self.updates))), client)

    async def _send_scans(self, client: Client) -> CloseCode:
        while True:
            await self.has_scan_texts.wait()
            self.has_scan_texts.clear()
            # A browser that is behind with its quotes is skipped: the next text comes a second later.
            while self.scan_texts and not client.outbox.is_blocked:
                scan = next(iter(self.scan_texts))
                text = self.scan_texts.pop(scan)
                if scan in self.scans.values():
                    await self.send_directly({"type": "websocket.send", "text": text})

    async def _answer(self, watch: Watch, client: Client) -> None:
        """Answer a watch and start it, unless the client replaced or stopped it while it was resolved."""
        try:
            resolved = await self.shared.open(self, watch)
            if self.pending.get(watch.watch_id) is watch:
                self._check_size(watch, resolved)
        except MessageError as error:
            self._close(watch)
            if self.pending.get(watch.watch_id) is watch:
                del self.pending[watch.watch_id]
                await self._refuse(error.code, str(error), watch.watch_id)
            return
        if self.pending.get(watch.watch_id) is not watch:
            self._close(watch)
            return
        del self.pending[watch.watch_id]
        self._forget(watch.watch_id, unless=watch)
        self.watches[watch.watch_id] = (watch, resolved)
        await self._send_answer(watch, resolved)
        self._watch_all(client)

    async def _update(self, watch: Watch, outcome: Outcome, client: Client) -> None:
        """Send the new meaning of a watch, unless the client replaced or stopped it, or knows it."""
        current = self.watches.get(watch.watch_id)
        if current is None or current[0] != watch or current[1] is outcome:
            return
        if isinstance(outcome, MessageError):
            await self._refuse(outcome.code, str(outcome), watch.watch_id)
            return
        before = current[1]
        self.watches[watch.watch_id] = (watch, outcome)
        if outcome.message != before.message:
            await self._send_answer(watch, outcome)
        if (outcome.instrument_ids, outcome.series_ids) != (before.instrument_ids, before.series_ids):
            self._watch_all(client)

    def _forget(self, watch_id: str, *, unless: Watch | None = None) -> bool:
        """End an open watch; one that equals `unless` stays open in the process. Return whether there was one."""
        before = self.watches.pop(watch_id, None)
        if before is not None and before[0] != unless:
            self.shared.close(self, before[0])
        return before is not None

    def _close(self, watch: Watch) -> None:
        """End a watch that was not answered; one that equals the open one stays open in the process."""
        current = self.watches.get(watch.watch_id)
        if current is None or current[0] != watch:
            self.shared.close(self, watch)

    def _check_size(self, watch: Watch, resolved: ResolvedWatch) -> None:
        others = {
            one
            for name, (_, open_watch) in self.watches.items()
            if name != watch.watch_id
            for one in open_watch.instrument_ids
        }
        if len(others | set(resolved.instrument_ids)) > messages.MAX_INSTRUMENTS:
            raise MessageError(
                "too_many",
                f"One browser may watch {messages.MAX_INSTRUMENTS:,} instruments at a time.",
                watch_id=watch.watch_id,
            )

    def _watch_all(self, client: Client) -> None:
        answers = [resolved for _, resolved in self.watches.values()]
        client.watch(
            [one for resolved in answers for one in resolved.instrument_ids],
            [one for resolved in answers for one in resolved.series_ids],
        )
        self.hub.watch_details(client, [one for resolved in answers for one in resolved.detail_ids])

    async def _wait_for_log_out(self) -> CloseCode:
        # A user without a session key would have no session to end: the first check closes the socket.
        await self.logins.wait_for_end(Login(self.scope["session"].session_key or "", self._logged_in_user()))
        return CloseCode.LOGIN_REQUIRED

    async def _end(self, code: CloseCode) -> None:
        # A plain int: daphne's WebSocket library rejects subclasses of int, and the socket would stay open.
        await self.close(int(code))

    async def _leave(self) -> None:
        if self.work is not None:
            self.work.cancel()
            await asyncio.gather(self.work, return_exceptions=True)
        for watch_id in list(self.watches):
            self._forget(watch_id)
        self.relay.watch(self, ())
        if self.client is not None:
            self.hub.remove_client(self.client)
        if self.user_id is not None:
            await self.channel_layer.group_discard(user_group(self.user_id), self.channel_name)

    def _logged_in_user(self) -> int:
        if self.user_id is None:
            raise AssertionError("no user is logged in")
        return self.user_id

    async def _refuse(self, code: str, sentence: str, watch_id: str | None) -> None:
        await self._send_json({"type": "error", "code": code, "message": sentence, "id": watch_id})

    async def _send_answer(self, watch: Watch, resolved: ResolvedWatch) -> None:
        # Watches of other browsers and ids share the answer.
        await self._send_json({**resolved.message, "id": watch.watch_id})

    async def _send_json(self, message: Mapping[str, Any]) -> None:
        await self.send(text_data=orjson.dumps(message).decode())


def _code_of(task: asyncio.Task[CloseCode]) -> CloseCode:
    """Return the close code for a loop that ended; log its exception."""
    fault = task.exception()
    if fault is None:
        return task.result()
    if isinstance(fault, OSError):  # ASGI servers raise a kind of OSError for a browser that disconnected.
        logger.debug("browser disconnected during a send")
    else:
        logger.error("browser socket failed, closing with code %d", CloseCode.FAILED, exc_info=fault)
    return CloseCode.FAILED
