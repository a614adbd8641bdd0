"""Read-only tables in the admin, and columns of times in IST."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils import timezone


def format_moment(at: datetime | None) -> str | None:
    """Return a time in IST to the second; no-break spaces let a narrow column break only between date and time."""
    return f"{timezone.localtime(at):%d\N{NO-BREAK SPACE}%b\N{NO-BREAK SPACE}%Y %H:%M:%S}" if at else None


def moment_column(field: str, description: str) -> Callable[[Any, Any], str | None]:
    """Return a column of an admin list that shows the time in `field` in IST, to the second."""

    @admin.display(description=description, ordering=field)
    def column(_admin: Any, row: Any) -> str | None:
        return format_moment(getattr(row, field))

    return column


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time.
    """A table that services write. Its lists count filtered rows only: a full count of millions of rows is slow."""

    show_full_result_count = False
    # Each facet count would be one more count of the whole table.
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission
