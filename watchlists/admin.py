"""Watchlists in the admin: to look at. Traders change their own; the end of the day clears all."""

from django.contrib import admin

from marketdata.admin import ReadOnlyAdmin
from watchlists.models import WatchlistEntry


@admin.register(WatchlistEntry)
class WatchlistEntryAdmin(ReadOnlyAdmin):
    """Read-only: an entry and its claim belong together, and only the services keep them so."""

    list_display = ["user", "list_name", "kind", "underlying_symbol", "expiry", "keep", "added_at"]
    list_filter = ["kind", "keep"]
    list_select_related = ["user"]
    search_fields = ["user__username", "underlying_symbol"]
