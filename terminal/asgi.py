"""The ASGI application: HTTP to Django, WebSockets to the market consumer.

The process's one quote hub is made here and handed to the consumer; it opens nothing before the first
browser comes.
"""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")
http = get_asgi_application()

# Only now: these import models, which need the apps loaded.
from marketdata.streaming.hub import QuoteHub  # noqa: E402
from terminal.origins import SameHostOriginValidator  # noqa: E402
from watchlists.consumers import MarketConsumer  # noqa: E402

sockets = URLRouter([path("ws/market/", MarketConsumer.as_asgi(hub=QuoteHub()))])

application = ProtocolTypeRouter({"http": http, "websocket": SameHostOriginValidator(AuthMiddlewareStack(sockets))})
