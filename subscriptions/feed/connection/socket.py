"""One socket to the broker: opening it, what goes out, what comes in, how it ended.

Knows picows, the URL with its secrets and the shapes in which the broker refuses. Says in a `Loss` whose fault an
end was and what it asks of us; when to try again is not decided here. The URL holds the access token: neither
it nor any exception text that could quote it leaves this module.
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

HANDSHAKE_SECONDS: Final = 5.0
GOODBYE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class KeepaliveTimeouts:
    """How long a socket may carry nothing before we ping, and how long the answer may take."""

    idle_seconds: float
    reply_seconds: float


# The broker pings every 10 s (docs/dhan.md), so a healthy socket is never quiet for longer: should it leave our
# pings unanswered, none is sent.
KEEPALIVE: Final = KeepaliveTimeouts(idle_seconds=13.0, reply_seconds=10.0)


class RefusedError(Exception):
    """The broker did not give us a socket."""

    def __init__(self, disconnect: Disconnect) -> None:
        super().__init__(disconnect.reason)
        self.disconnect = disconnect


class _Listener(WSListener):
    """Passes whole binary messages on; everything else is counted or ignored."""

    def __init__(self, receive: Callable[[bytes], object]) -> None:
        self._receive = receive
        self._pieces: list[bytes] = []

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Pass a message on; this runs once per packet and does nothing else."""
        if frame.msg_type == WSMsgType.BINARY and frame.fin:
            self._receive(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type in {WSMsgType.BINARY, WSMsgType.CONTINUATION}:
            self._pieces.append(frame.get_payload_as_bytes())
            if frame.fin:
                self._receive(b"".join(self._pieces))
                self._pieces.clear()
        # Text from the broker is not documented and pongs are nobody's answer: ignored.


class FeedSocket:
    """An open socket."""

    def __init__(self, transport: WSTransport) -> None:
        self._transport = transport

    def send(self, request: Request) -> None:
        """Put one request on the wire; the broker never answers."""
        self._transport.send(WSMsgType.TEXT, requests.encode(request).encode())

    async def wait_lost(self) -> Disconnect:
        """Wait until the socket is gone; the broker's own reason, if it sent one, is in a disconnect packet."""
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
        """Drop the socket at once; nothing more is sent."""
        self._transport.disconnect(graceful=False)

    async def leave(self) -> None:
        """Say goodbye as the broker asks for it, and close."""
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

    Pings are sent and answered by picows. An opening that is cancelled leaves no socket behind.
    """
    opening = asyncio.ensure_future(_connect(base_url, credentials, _Listener(receive), keepalive))
    try:
        transport = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_drop)
        raise
    except WSHandshakeError as error:
        raise RefusedError(_refusal(error)) from None
    except WSError:
        raise RefusedError(Disconnect(Reaction.COME_BACK, "the handshake broke the WebSocket protocol")) from None
    except TimeoutError:
        raise RefusedError(Disconnect(Reaction.COME_BACK, "the handshake was not answered in time")) from None
    except OSError as error:
        reason = f"the broker cannot be reached: {error.strerror or type(error).__name__}"
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
    status = int(error.response.status)
    reason = f"the handshake was refused with {status}"
    return Disconnect(
        reaction_to_refusal(status), reason, DisconnectCause.BROKER, is_doubtful=status == HTTPStatus.BAD_REQUEST
    )
