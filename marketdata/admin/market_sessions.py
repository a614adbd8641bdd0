"""The market calendar in the admin: editable."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, QuerySet, When
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse

from marketdata import selectors, services
from marketdata.models import MarketSession


@admin.register(MarketSession)
class MarketSessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """The market calendar: staff add holidays and the hours of Muhurat, and see missing days."""

    list_display = ["day", "exchange_segment", "kind", "opens", "closes", "frozen_from", "note", "source"]
    list_filter = ["exchange_segment", "kind"]
    list_editable = ["opens", "closes"]
    list_per_page = 40
    date_hierarchy = "day"
    search_fields = ["note", "source"]
    show_full_result_count = False
    actions = ["make_holidays"]

    def get_ordering(self, _request: HttpRequest) -> list[str | Combinable]:
        """Return the order: today and later first, past days last."""
        is_over = Case(When(day__lt=selectors.market_today(), then=1), default=0)
        return [is_over, "day", "exchange_segment"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the calendar, with a warning about missing days above it."""
        today = selectors.market_today()
        lack = selectors.next_trading_day_missing(today=today)
        years = selectors.list_unknown_years(today=today)
        if lack is not None or years:
            unknown = "".join(f" {year} has no sessions yet." for year in years)
            self.message_user(request, f"{lack or ''}{unknown}".strip(), messages.WARNING)
        return super().changelist_view(request, extra_context)

    @admin.action(description="Make these days holidays", permissions=["change"])
    def make_holidays(self, request: HttpRequest, chosen: QuerySet[MarketSession]) -> None:
        count = services.make_holidays(
            session_ids=list(chosen.values_list("pk", flat=True)), source=f"entered by {request.user.get_username()}"
        )
        self.message_user(request, f"{count} days are holidays now.", messages.SUCCESS)
