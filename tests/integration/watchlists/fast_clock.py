"""The web process with a hub clock that runs five times as fast: a limit of 15 s is reached after 3 s.

`uvicorn` and `daphne` run the `application` of this module instead of `terminal.asgi`.
"""

import time

from channels.routing import ProtocolTypeRouter

from marketdata.streaming.hub import QuoteHub
from marketdata.streaming.scans import ScanRelay
from terminal.asgi import http, socket_application
from watchlists.login_monitor import LoginMonitor
from watchlists.shared_watches import SharedWatches

SPEED = 5.0
"""chosen: a limit of 3 s is still longer than a busy machine needs for two frames."""


def read_clock() -> float:
    return SPEED * time.monotonic()


sockets = socket_application(
    QuoteHub(clock=read_clock), shared=SharedWatches(), logins=LoginMonitor(), relay=ScanRelay()
)
application = ProtocolTypeRouter({"http": http, "websocket": sockets})
