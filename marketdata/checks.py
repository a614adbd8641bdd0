"""System checks of marketdata: settings that contradict what is served."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004  The framework's name.


@register()
def check_market_date(**_: Any) -> list[CheckMessage]:
    """Warn that expiry is decided by a fixed date while a real account is connected."""
    if settings.MARKET_DATE is None or not settings.DHAN_CLIENT_ID or "dhan.co" not in settings.DHAN_REST_URL:
        return []
    return [
        Warning(
            f"MARKET_DATE={settings.MARKET_DATE} stands in for today while a real account is connected.",
            hint="Unset MARKET_DATE; it is for demos and tests.",
            id="marketdata.W001",
        )
    ]
