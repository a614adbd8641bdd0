"""Writes of marketdata: instruments, windows of chains, the access token, the calendar."""

from marketdata.services.access_token import (
    Renewal,
    check_token,
    note_refusal,
    renew_token,
    reseal_tokens,
    store_token,
)
from marketdata.services.imports import import_instruments
from marketdata.services.sessions import load_market_calendar, make_holidays
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
    "Renewal",
    "check_token",
    "find_window",
    "find_windows",
    "import_instruments",
    "legs_in_window",
    "load_market_calendar",
    "make_holidays",
    "note_refusal",
    "open_window",
    "remember_windows",
    "renew_token",
    "reseal_tokens",
    "store_token",
]
