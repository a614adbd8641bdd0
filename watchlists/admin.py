"""Watchlists in the admin, read-only: traders change their own, the end of day clears all."""

from django.contrib import admin

from marketdata.admin import ReadOnlyAdmin
from watchlists.models import WatchlistEntry


@admin.register(WatchlistEntry)
class WatchlistEntryAdmin(ReadOnlyAdmin):
    """Read-only: an entry and its claim change together, in one transaction of a service."""

    list_display = ["user", "list_name", "kind", "underlying_symbol", "expiry", "instrument", "keep", "added_at"]
    list_filter = ["kind", "keep"]
    list_select_related = ["user", "instrument"]
    search_fields = ["user__username", "underlying_symbol"]
