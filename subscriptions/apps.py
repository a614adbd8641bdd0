"""App configuration of subscriptions."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """Who needs live data, and how five connections give it to them."""

    name = "subscriptions"

    def ready(self) -> None:
        """Register the system checks."""
        from subscriptions import checks  # noqa: F401
