"""Writes of watchlists: entries come and go, and the end of the day clears all. Each is one transaction."""

from watchlists.services.day import (
    Cleared,
    clear_watchlists,
    close_what_is_due,
    end_of_day,
    release_all_tier_a,
)
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
    "clear_watchlists",
    "close_what_is_due",
    "end_of_day",
    "release_all_tier_a",
    "remove_entry",
]
