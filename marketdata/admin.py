"""Instruments, imports and windows in the admin: to look at. Imports write them; nobody edits what is listed."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils import timezone

from marketdata.models import AtmCache, Instrument, InstrumentImport


def format_moment(at: datetime | None) -> str | None:
    """Return a moment in IST to the second; where a column is narrow it breaks between date and time only."""
    return f"{timezone.localtime(at):%d\N{NO-BREAK SPACE}%b\N{NO-BREAK SPACE}%Y %H:%M:%S}" if at else None


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """A table that machines write and staff look at; lists count what is shown and nothing more."""

    show_full_result_count = False
    # Counts beside the filters would count the whole table once for each.
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody edits here."""
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        """Nobody deletes here."""
        return False


@admin.register(Instrument)
class InstrumentAdmin(ReadOnlyAdmin):
    """What is or was listed. Searched by the beginning of a token."""

    list_display = [
        "token",
        "exchange",
        "instrument_type",
        "expiry",
        "strike",
        "option_type",
        "lot_size",
        "underlying",
        "is_listed",
    ]
    list_filter = ["is_listed", "exchange_segment", "instrument_type"]
    list_select_related = ["underlying"]
    search_fields = ["token__startswith"]
    ordering = ["-id"]
    raw_id_fields = ["underlying"]


@admin.register(InstrumentImport)
class InstrumentImportAdmin(ReadOnlyAdmin):
    """Every import with its counts, newest first."""

    list_display = [
        "started_at",
        "source",
        "as_of",
        "rows_read",
        "rows_kept",
        "inserted",
        "changed",
        "delisted",
        "refusal",
    ]
    ordering = ["-id"]


@admin.register(AtmCache)
class AtmCacheAdmin(ReadOnlyAdmin):
    """Windows as last calculated."""

    list_display = ["underlying_symbol", "expiry", "width", "ltp", "atm", "strike_step", "calculated_at"]
    list_filter = ["underlying_symbol"]
    ordering = ["-calculated_at"]
