"""Writes of watchlists: lists and their entries, the end of day, the morning. Each is one transaction."""

from watchlists.services.arranging import move_entry, set_keep
from watchlists.services.checking import check, note_left
from watchlists.services.day import RemovedEntries, clear_watchlists, close_past_days, end_of_day, release_all_tier_a
from watchlists.services.entries import Added, DuplicateEntry, add_entry, remove_entry
from watchlists.services.follow_contracts import FollowedEntries, follow_contracts, review_entries
from watchlists.services.lists import (
    DuplicateList,
    LastList,
    ListNotEmpty,
    TooManyLists,
    UnknownList,
    create_list,
    delete_list,
    rename_list,
)
from watchlists.services.morning import Restored, release_expired, restore_kept
from watchlists.services.targets import UnfitKind
