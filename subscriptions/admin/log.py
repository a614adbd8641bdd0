"""The audit log in the admin: read-only, with filters and search, and without exact counts of millions of rows."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from marketdata.admin import ReadOnlyAdmin, moment_column
from subscriptions.domain.claims import LogReason, Tier
from subscriptions.models import EndOfDayRun, SubscriptionLog

# Beyond this the planner's estimate serves. Chosen: fifty pages of a hundred rows.
COUNTED_UP_TO: Final = 5_000
# Callers pass reasons as text, so the filter offers those of the newest rows. Chosen: about a day of actions.
RECENT_ROWS: Final = 2_000


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """Paginator with an exact count up to COUNTED_UP_TO, and the planner's estimate beyond."""

    object_list: QuerySet[SubscriptionLog]

    @cached_property
    def count(self) -> int:
        rows = self.object_list.order_by()
        counted = rows[: COUNTED_UP_TO + 1].count()
        if counted <= COUNTED_UP_TO:
            return counted
        # PostgreSQL counts by reading every row; its planner knows the number from statistics at no cost.
        estimate: int = json.loads(rows.explain(format="json"))[0]["Plan"]["Plan Rows"]
        return max(counted, estimate)

    @property
    def is_estimate(self) -> bool:
        return self.count > COUNTED_UP_TO


class ColumnFilter(admin.SimpleListFilter):
    """Filter by the value of one column; unlike the default filter it runs no DISTINCT over the table."""

    parameter_name: str

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


class ReasonFilter(ColumnFilter):
    """The reasons of this app, and those of the newest rows."""

    title = parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002
        # DISTINCT would read the whole log; the newest rows come from the index on `at`.
        recent = SubscriptionLog.objects.order_by("-at").values_list("reason", flat=True)[:RECENT_ROWS]
        return [(one, one) for one in sorted({*recent, *LogReason})]


class TierFilter(ColumnFilter):
    """The tiers, claimed or not."""

    title = parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002
        return [(one.value, one.value) for one in Tier]


@admin.register(SubscriptionLog)
class SubscriptionLogAdmin(ReadOnlyAdmin):
    """Actions on subscriptions: action, reason, actor, counts and connections."""

    list_display = ["moment", "action", "reason", "actor", "tier", "subject", "format_counts", "format_connections"]
    list_filter = ["at", "action", ReasonFilter, TierFilter]
    search_fields = ["subject", "actor"]
    search_help_text = "Part of a chain, a token or an actor's name"
    fields = ["moment", "action", "reason", "actor", "tier", "subject", "format_counts", "format_connections", "legs"]
    ordering = ["-at"]
    sortable_by = ["moment"]
    paginator = EstimatingPaginator
    moment = moment_column("at", "at")

    @admin.display(description="counts")
    def format_counts(self, row: SubscriptionLog) -> str:
        rest = sorted(f"{count:,} {name}" for name, count in row.counts.items() if count and name != "legs")
        legs = row.counts.get("legs", 0)
        return f"{legs:,} {'leg' if legs == 1 else 'legs'}" + (f": {', '.join(rest)}" if rest else "")

    @admin.display(description="connections")
    def format_connections(self, row: SubscriptionLog) -> str:
        """Return the instruments that started or stopped streaming, by connection."""
        return ", ".join(f"{count} on {number}" for number, count in row.connections.items())


@admin.register(EndOfDayRun)
class EndOfDayRunAdmin(ReadOnlyAdmin):
    """Runs of the end of day: the date closed, the time, and the claims and instruments released."""

    list_display = ["closes", "exchange_segment", "moment", "actor", "claims", "released"]
    list_filter = ["exchange_segment"]
    fields = ["closes", "exchange_segment", "moment", "actor", "claims", "released"]
    ordering = ["-closes", "-id"]
    moment = moment_column("ran_at", "ran at")
