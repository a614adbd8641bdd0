"""Writes of marketdata: importing what is listed, opening windows of chains, looking after the access token."""

from marketdata.services.broker_sessions import (
    Renewal,
    check_token,
    note_refusal,
    renew_token,
    reseal_tokens,
    store_token,
)
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
    "Renewal",
    "check_token",
    "find_window",
    "find_windows",
    "import_instruments",
    "legs_in_window",
    "note_refusal",
    "open_window",
    "remember_windows",
    "renew_token",
    "reseal_tokens",
    "store_token",
]
