"""App configuration of watchlists."""

from django.apps import AppConfig


class WatchlistsConfig(AppConfig):
    """What a trader keeps an eye on, and the screens for it."""

    name = "watchlists"
