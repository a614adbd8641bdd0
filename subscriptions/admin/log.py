"""The audit log in the admin: to be read, narrowed and searched; nobody writes it here, and nothing counts millions."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from marketdata.admin import ReadOnlyAdmin, format_moment
from subscriptions.domain.claims import LogReason, Tier
from subscriptions.models import EndOfDayRun, SubscriptionLog

# Up to here rows are counted; beyond, the planner's estimate does for a page number.
COUNTED_UP_TO: Final = 5_000
# Reasons are words of those who act; these many newest rows show which are in use.
RECENT_ROWS: Final = 2_000


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """Pages of a table that may be long: the count is exact while it is small, then the planner's estimate."""

    object_list: QuerySet[SubscriptionLog]

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, or about how many."""
        rows = self.object_list.order_by()
        counted = rows[: COUNTED_UP_TO + 1].count()
        if counted <= COUNTED_UP_TO:
            return counted
        estimate: int = json.loads(rows.explain(format="json"))[0]["Plan"]["Plan Rows"]
        return max(counted, estimate)

    @property
    def is_estimate(self) -> bool:
        """Whether the count is about right, and no more."""
        return self.count > COUNTED_UP_TO


class ReasonFilter(admin.SimpleListFilter):
    """Narrows to one reason: those of this app, and those seen among the newest rows."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002
        """Return the reasons to choose from."""
        recent = SubscriptionLog.objects.order_by("-at").values_list("reason", flat=True)[:RECENT_ROWS]
        return [(one, one) for one in sorted({*recent, *LogReason})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return the rows with the chosen reason."""
        return queryset.filter(reason=self.value()) if self.value() else queryset


class TierFilter(admin.SimpleListFilter):
    """Narrows to one tier, without asking the table which there are."""

    title = "tier"
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002
        """Return the tiers."""
        return [(one.value, one.value) for one in Tier]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return the rows of the chosen tier."""
        return queryset.filter(tier=self.value()) if self.value() else queryset


@admin.register(SubscriptionLog)
class SubscriptionLogAdmin(ReadOnlyAdmin):
    """Every act on subscriptions: what, why, by whom, how much and where."""

    list_display = ["moment", "action", "reason", "actor", "tier", "subject", "counts_in_words", "connections_in_words"]
    list_filter = ["at", "action", ReasonFilter, TierFilter]
    search_fields = ["subject", "actor"]
    search_help_text = "Part of a chain, a token or an actor's name"
    fields = [
        "moment",
        "action",
        "reason",
        "actor",
        "tier",
        "subject",
        "counts_in_words",
        "connections_in_words",
        "legs",
    ]
    ordering = ["-at"]
    sortable_by = ["moment"]
    paginator = EstimatingPaginator

    @admin.display(description="at", ordering="at")
    def moment(self, row: SubscriptionLog) -> str | None:
        """Say when, to the second."""
        return format_moment(row.at)

    @admin.display(description="counts")
    def counts_in_words(self, row: SubscriptionLog) -> str:
        """Say how much changed: the legs, and what became of them."""
        rest = sorted(f"{count:,} {name}" for name, count in row.counts.items() if count and name != "legs")
        legs = row.counts.get("legs", 0)
        return f"{legs:,} {'leg' if legs == 1 else 'legs'}" + (f": {', '.join(rest)}" if rest else "")

    @admin.display(description="connections")
    def connections_in_words(self, row: SubscriptionLog) -> str:
        """Say where streaming began or ended."""
        return ", ".join(f"{count} on {number}" for number, count in row.connections.items())


@admin.register(EndOfDayRun)
class EndOfDayRunAdmin(ReadOnlyAdmin):
    """Which days were closed, when, and what that took."""

    list_display = ["closes", "exchange_segment", "moment", "actor", "claims", "released"]
    list_filter = ["exchange_segment"]
    fields = ["closes", "exchange_segment", "moment", "actor", "claims", "released"]
    ordering = ["-closes", "-id"]

    @admin.display(description="ran at", ordering="ran_at")
    def moment(self, row: EndOfDayRun) -> str | None:
        """Say when it ran, to the second."""
        return format_moment(row.ran_at)
