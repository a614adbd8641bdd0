"""One socket to the broker: the opening handshake, requests, messages, and the reason of its end.

The only module of the feed that knows picows, the URL of the feed, and how the broker refuses. It returns a
`Disconnect`; `subscriptions.domain.connection_life` decides about the retry.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from picows import (
    WSAutoPingStrategy,
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from marketdata.dhan import requests
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.disconnects import Reaction, reaction_to_refusal
from marketdata.dhan.requests import Request, RequestCode
from subscriptions.domain.connection_life import Disconnect, DisconnectCause

HANDSHAKE_SECONDS: Final = 5.0  # Chosen: far longer than a usual handshake.
# Chosen: the limit that picows has for one frame. A message of fragments without an end would fill the memory.
MAX_MESSAGE_BYTES: Final = 10 * 1024 * 1024
# A look-up in an enumeration costs as much as the copy of a payload.
_BINARY: Final = WSMsgType.BINARY
GOODBYE_SECONDS: Final = 1.0  # Chosen: within the 2 s of a warm shutdown (`worker._RELEASE_SECONDS`).


@dataclass(frozen=True, slots=True)
class KeepaliveTimeouts:
    """The idle time before a ping, and the time for its reply."""

    idle_seconds: float
    reply_seconds: float


# The broker pings every 10 s (docs/dhan.md), so a healthy socket is never idle for 13 s and we send no ping, which the
# broker might not answer. Together below 25 s, the limit for detecting a half-open connection (docs/operations.md, R5).
KEEPALIVE: Final = KeepaliveTimeouts(idle_seconds=13.0, reply_seconds=10.0)


class RefusedError(Exception):
    """The broker refused the socket, or none could be opened."""

    def __init__(self, disconnect: Disconnect) -> None:
        super().__init__(disconnect.reason)
        self.disconnect = disconnect


class _Listener(WSListener):
    """Passes on whole binary messages."""

    def __init__(self, receive: Callable[[bytes], object]) -> None:
        self._receive = receive
        self._pieces: list[bytes] = []
        self._size = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass on a message, joined if it is fragmented."""
        # The hot path: one call per packet, up to thousands a second. Decoding waits for the flush.
        if frame.msg_type is _BINARY and frame.fin:
            self._receive(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type in {WSMsgType.BINARY, WSMsgType.CONTINUATION}:
            self._pieces.append(frame.get_payload_as_bytes())
            self._size += frame.payload_size
            if self._size > MAX_MESSAGE_BYTES:
                transport.disconnect(graceful=False)
            elif frame.fin:
                self._receive(b"".join(self._pieces))
            else:
                return
            self._pieces.clear()
            self._size = 0
        # Ignored: text, which the broker's documentation does not mention, and pongs, which picows evaluates itself.


class FeedSocket:
    """An open socket."""

    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport

    def send(self, request: Request) -> None:
        """Send one request; the broker never acknowledges."""
        self._transport.send(WSMsgType.TEXT, requests.encode(request).encode())

    async def wait_lost(self) -> Disconnect:
        """Wait until the socket is closed; return the reason that the WebSocket itself gives."""
        try:
            await self._transport.wait_disconnected()
        except WSError:
            return Disconnect(Reaction.COME_BACK, "the broker broke the WebSocket protocol")
        handshake = self._transport.close_handshake
        if handshake is not None and handshake.recv is not None:
            return Disconnect(
                Reaction.COME_BACK, f"closed by the broker with {handshake.recv.code:d}", DisconnectCause.BROKER
            )
        return Disconnect(Reaction.COME_BACK, "dropped without a close frame")

    def abort(self) -> None:
        """Drop the socket at once, without a close frame."""
        self._transport.disconnect(graceful=False)

    async def leave(self) -> None:
        """Send the broker's disconnect request and close; abort if the close handshake takes too long."""
        self.send(Request(RequestCode.DISCONNECT))
        self._transport.send_close(WSCloseCode.OK)
        self._transport.disconnect()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._transport.wait_disconnected()
        except (TimeoutError, WSError):
            self.abort()


async def open_socket(
    base_url: str,
    credentials: Credentials,
    receive: Callable[[bytes], object],
    *,
    keepalive: KeepaliveTimeouts = KEEPALIVE,
) -> FeedSocket:
    """Open a socket; every binary message goes to `receive`. Raises RefusedError.

    picows sends and answers pings. A cancelled opening leaves no socket open.
    """
    # Shielded: a handshake that completes at the moment of a cancellation would leave an open transport behind.
    # `_drop` closes it as soon as the handshake is over.
    opening = asyncio.ensure_future(_connect(base_url, credentials, _Listener(receive), keepalive))
    try:
        transport = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_drop)
        raise
    # `from None` everywhere: the exceptions of picows can quote the URL, and the URL includes the access token.
    except WSHandshakeError as error:
        raise RefusedError(_refusal(error)) from None
    except WSError:
        raise RefusedError(Disconnect(Reaction.COME_BACK, "the handshake broke the WebSocket protocol")) from None
    except TimeoutError:
        raise RefusedError(Disconnect(Reaction.COME_BACK, "the handshake was not answered in time")) from None
    except OSError as error:
        reason = f"the broker cannot be reached: {error.strerror or type(error).__name__}"
        # One of the four shapes of a refused token (docs/dhan.md), and of a network fault as well.
        is_reset = isinstance(error, ConnectionResetError)
        raise RefusedError(Disconnect(Reaction.COME_BACK, reason, is_doubtful=is_reset)) from None
    if transport.is_disconnected:
        raise RefusedError(Disconnect(Reaction.COME_BACK, "dropped during the handshake", is_doubtful=True))
    return FeedSocket(transport)


async def _connect(
    base_url: str, credentials: Credentials, listener: _Listener, keepalive: KeepaliveTimeouts
) -> WSTransport:
    query = urlencode(
        {"version": 2, "token": credentials.access_token, "clientId": credentials.client_id, "authType": 2}
    )
    transport, _ = await ws_connect(
        lambda: listener,
        f"{base_url.rstrip('/')}/?{query}",
        websocket_handshake_timeout=HANDSHAKE_SECONDS,
        enable_auto_ping=True,
        auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE,
        auto_ping_idle_timeout=keepalive.idle_seconds,
        auto_ping_reply_timeout=keepalive.reply_seconds,
        max_redirects=0,  # A redirect would carry the token elsewhere.
    )
    return transport


def _drop(opening: "asyncio.Future[WSTransport]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().disconnect(graceful=False)


def _refusal(error: WSHandshakeError) -> Disconnect:
    if error.response is None:
        return Disconnect(Reaction.COME_BACK, "the handshake was not answered", is_doubtful=True)
    # 400 is one of the four shapes of a refused token (docs/dhan.md), but not proof of one.
    status = int(error.response.status)
    reason = f"the handshake was refused with {status}"
    return Disconnect(
        reaction_to_refusal(status), reason, DisconnectCause.BROKER, is_doubtful=status == HTTPStatus.BAD_REQUEST
    )
