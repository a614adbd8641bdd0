"""App configuration of marketdata."""

from django.apps import AppConfig


class MarketdataConfig(AppConfig):
    """What is listed, and what it is worth right now."""

    name = "marketdata"
