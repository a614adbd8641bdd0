"""Writes of watchlists: entries come and go, and the end of the day clears all. Each is one transaction."""

from watchlists.services.day import Cleared, end_of_day
from watchlists.services.entries import (
    Added,
    ChainWindow,
    DuplicateEntry,
    Removed,
    UnfitKind,
    add_entry,
    remove_entry,
)

__all__ = [
    "Added",
    "ChainWindow",
    "Cleared",
    "DuplicateEntry",
    "Removed",
    "UnfitKind",
    "add_entry",
    "end_of_day",
    "remove_entry",
]
