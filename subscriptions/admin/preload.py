"""Preload rules in the admin: the one table of this app that staff write."""

from django.contrib import admin

from subscriptions.models import PreloadRule


@admin.register(PreloadRule)
class PreloadRuleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """What tier B holds of each underlying."""

    list_display = (
        "profile",
        "position",
        "underlying_symbol",
        "exchange_segment",
        "weekly",
        "monthly",
        "quarterly",
        "strikes",
        "futures",
        "is_active",
    )
    list_display_links = ("underlying_symbol",)
    list_filter = ("profile", "is_active")
    ordering = ("profile", "position")
