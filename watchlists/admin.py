"""Watchlists in the admin: to look at. Traders change their own; the end of the day clears all."""

from typing import Any

from django.contrib import admin

from watchlists.models import WatchlistEntry


@admin.register(WatchlistEntry)
class WatchlistEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """Read-only: an entry and its claim belong together, and only the services keep them so."""

    list_display = ["user", "list_name", "kind", "underlying_symbol", "expiry", "keep", "added_at"]
    list_filter = ["kind", "keep"]
    list_select_related = ["user"]
    search_fields = ["user__username", "underlying_symbol"]
    show_full_result_count = False

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody edits here."""
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody deletes here."""
        return False
