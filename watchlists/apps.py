"""App configuration of watchlists."""

from django.apps import AppConfig


class WatchlistsConfig(AppConfig):
    """The watchlists of traders, and the terminal's screens."""

    name = "watchlists"

    def ready(self) -> None:
        """Connect the signals."""
        from watchlists import login_signals  # noqa: F401
