"""App configuration of marketdata."""

from django.apps import AppConfig


class MarketdataConfig(AppConfig):
    """What is listed, and what it is worth right now."""

    name = "marketdata"

    def ready(self) -> None:
        """Register the system checks."""
        from marketdata import checks  # noqa: F401
