"""The ASGI application: HTTP to Django, WebSockets to the market consumer.

The quote hub and the scan relay of the process are created here and passed to the consumer. They open no connection
before the first browser connects.
"""

import os
from typing import Any

import django
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path
from django.utils import timezone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")
# Chosen: longer than STATEMENT_TIMEOUT_MS (3 s), short enough for a waiting person; then the answer is 503.
os.environ.setdefault("DATABASE_PATIENCE_MS", "4000")
# A connect takes longer than the queries of most requests.
os.environ.setdefault("DATABASE_POOL", "yes")
django.setup(set_prefix=False)

# After the setup: these modules import models, which need the loaded apps.
from marketdata.domain.sessions import IST, SessionBook  # noqa: E402
from marketdata.selectors import read_calendar as read_market_calendar  # noqa: E402
from marketdata.streaming.feed_status import Room  # noqa: E402
from marketdata.streaming.hub import QuoteHub  # noqa: E402
from marketdata.streaming.scans import ScanRelay  # noqa: E402
from subscriptions import selectors as subscriptions  # noqa: E402
from terminal.admission import Admission, take_all_descriptors  # noqa: E402
from terminal.heartbeats import Heartbeats  # noqa: E402
from terminal.http_handler import OneThreadHandler  # noqa: E402
from terminal.metrics import watch_sockets  # noqa: E402
from terminal.origins import SameHostOriginValidator  # noqa: E402
from terminal.process_metrics import REGISTRY  # noqa: E402
from terminal.web_processes import serve_own_metrics  # noqa: E402
from watchlists.consumers import DIRECT_SEND, MarketConsumer  # noqa: E402
from watchlists.login_monitor import LoginMonitor  # noqa: E402
from watchlists.shared_watches import SharedWatches  # noqa: E402


def socket_application(
    hub: QuoteHub, *, shared: SharedWatches, logins: LoginMonitor, relay: ScanRelay
) -> SameHostOriginValidator:
    """Return the WebSocket application: origin check, then login session, then consumer."""
    market = MarketConsumer.as_asgi(hub=hub, shared=shared, logins=logins, relay=relay)
    routes: Any = [path("ws/market/", market)]  # type: ignore[arg-type]  # The stubs know only HTTP views.
    with_session: Any = AuthMiddlewareStack(URLRouter(routes))

    async def keep_send(scope: Any, receive: Any, send: Any) -> None:
        await with_session({**scope, DIRECT_SEND: send}, receive, send)

    return SameHostOriginValidator(keep_send)


async def read_calendar() -> SessionBook:
    """Return the market calendar; the hub reads it every 30 s."""
    return await database_sync_to_async(read_market_calendar)(about=timezone.now().astimezone(IST).date())


async def read_room() -> Room:
    """Return how many instruments are live, and how many fit; the hub reads it every 5 s."""
    connections = await database_sync_to_async(subscriptions.list_connections, thread_sensitive=False)()
    return Room(sum(one.load for one in connections), sum(one.capacity for one in connections))


take_all_descriptors()
http = OneThreadHandler()
shared, logins = SharedWatches(), LoginMonitor()
hub = QuoteHub(read_calendar=read_calendar, read_room=read_room, note_changes=shared.note)
watch_sockets(hub, shared, logins)
serve_own_metrics(REGISTRY)
sockets = Admission(socket_application(hub, shared=shared, logins=logins, relay=ScanRelay()))
application = Heartbeats(ProtocolTypeRouter({"http": http, "websocket": sockets}))
