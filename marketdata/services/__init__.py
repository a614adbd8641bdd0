"""Writes of marketdata: importing what is listed, opening windows of chains."""

from marketdata.services.imports import import_instruments
from marketdata.services.windows import (
    KnownWindow,
    OpenWindow,
    find_window,
    find_windows,
    legs_in_window,
    open_window,
    remember_windows,
)

__all__ = [
    "KnownWindow",
    "OpenWindow",
    "find_window",
    "find_windows",
    "import_instruments",
    "legs_in_window",
    "open_window",
    "remember_windows",
]
