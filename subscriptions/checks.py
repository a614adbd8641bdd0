"""System checks of the configuration: the preload profile, and the time of the end of day.

Both query the database, so they run with `manage.py migrate` and `manage.py check --database default`.
"""

from collections.abc import Sequence
from datetime import time
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004  Django's name.
from django.db import connection
from django_celery_beat.models import PeriodicTask

from marketdata.selectors import market_today, read_calendar
from subscriptions.domain.sessions import EndOfDayScope, list_cut_short
from subscriptions.models import PreloadRule

END_OF_DAY_TASK: Final = "watchlists.tasks.end_of_day"


@register(Tags.database)
def check_preload_profile(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn if PRELOAD_PROFILE has no rules: tier B would be empty."""
    if not databases or not _has_table("preload_rules"):
        return []
    profiles = sorted(set(PreloadRule.objects.values_list("profile", flat=True)))
    if settings.PRELOAD_PROFILE in profiles:
        return []
    return [
        Warning(
            f"PRELOAD_PROFILE is {settings.PRELOAD_PROFILE!r}, but no preload rule has it: tier B stays empty.",
            hint=f"Profiles with rules: {', '.join(profiles) or 'none'}.",
            id="subscriptions.W001",
        )
    ]


@register(Tags.database)
def check_end_of_day(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn if the end of day releases all segments before some sessions end."""
    if not databases or not _has_table("django_celery_beat_periodictask"):
        return []
    if EndOfDayScope(settings.EOD_SCOPE) is not EndOfDayScope.ALL:
        return []
    row = PeriodicTask.objects.filter(task=END_OF_DAY_TASK, enabled=True).select_related("crontab").first()
    # Staff may enter any crontab ("*/5"): the check understands a plain hour and minute and skips the rest.
    if row is None or row.crontab is None or not f"{row.crontab.hour}{row.crontab.minute}".isdigit():
        return []
    at = time(int(row.crontab.hour), int(row.crontab.minute))
    short = list_cut_short(at, day=market_today(), book=read_calendar(about=market_today()))
    if not short:
        return []
    return [
        Warning(
            f"The end of the day at {at:%H:%M} IST cuts sessions short: {', '.join(short)}.",
            hint="Set EOD_SCOPE=closed_segments to release each segment once its session is over.",
            id="subscriptions.W002",
        )
    ]


def _has_table(name: str) -> bool:
    return name in connection.introspection.table_names()
