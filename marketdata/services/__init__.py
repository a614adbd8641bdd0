"""Writes of marketdata: importing what is listed, opening windows of chains."""

from marketdata.services.imports import import_instruments
from marketdata.services.windows import OpenWindow, legs_in_window, open_window

__all__ = ["OpenWindow", "import_instruments", "legs_in_window", "open_window"]
