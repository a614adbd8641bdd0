"""The ASGI application: HTTP to Django, WebSockets to the market consumer."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")
http = get_asgi_application()

application = ProtocolTypeRouter({"http": http})
