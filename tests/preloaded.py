"""Django with all apps and modules of ours loaded, and without settings: the fork server imports this module, once.

To import them takes most of the CPU time of a start (measured: 0.9 of the 1.4 s of a feed worker). Loading the apps
reads settings; they are forgotten here, so that each child reads its own from its environment, as any process does.
`terminal.asgi` is not imported: it makes the application of its process from the settings. A listing of the simulator
is made for all simulators of the same day.
"""

import gc
import importlib
import logging
import sys
from datetime import datetime

import django
from asgiref.local import Local
from django.conf import settings
from django.db import connections
from django.utils.functional import empty
from knox.settings import knox_settings
from rest_framework.settings import api_settings

from marketdata.domain.sessions import IST
from simulator.demo_listing import Size, make_listing

django.setup()
for _name in (
    "channels.auth",
    "channels.routing",
    "channels_redis.pubsub",
    "django.contrib.auth.backends",
    "django.contrib.auth.middleware",
    "django.contrib.messages.middleware",
    "django.contrib.sessions.backends.db",
    "django.contrib.sessions.middleware",
    "django.core.asgi",
    "django.core.management.commands.migrate",
    "django.middleware.clickjacking",
    "django.middleware.common",
    "django.middleware.security",
    "django.template.context_processors",
    "django.views.csrf",
    "django.views.defaults",
    "rest_framework.templatetags.rest_framework",
    "marketdata.tasks",
    "subscriptions.analytics.bootstep",
    "subscriptions.feed.bootstep",
    "subscriptions.tasks",
    "terminal.admission",
    "terminal.beat",
    "terminal.errors",
    "terminal.heartbeats",
    "terminal.metrics",
    "terminal.origins",
    "terminal.urls",
    "terminal.worker_steps",
    "watchlists.consumers",
    "watchlists.tasks",
    "whitenoise.middleware",
):
    importlib.import_module(_name)

make_listing(datetime.now(IST).date(), size=Size.SMALL)

api_settings.reload()
knox_settings.reload()
vars(connections).pop("settings", None)  # A cached property.
vars(connections).update(_settings=None, _connections=Local(connections.thread_critical))
settings._wrapped = empty
del sys.modules["terminal.settings"]
logging.root.handlers.clear()  # A simulator loads no settings, and logs without any configuration.
logging.root.setLevel(logging.WARNING)
gc.freeze()  # No collection of a child visits, and so copies, what is loaded here.
