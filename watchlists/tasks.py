"""The watchlists' part of the day, as beat starts it. On the default queue; each may run twice, or late."""

from typing import Any, Final

from celery import shared_task
from django.utils import timezone

from watchlists import services

TIME_LIMIT_SECONDS: Final = 120
EXPIRES_SECONDS: Final = 24 * 3600
ACTOR: Final = "beat"


@shared_task(ignore_result=True, time_limit=TIME_LIMIT_SECONDS, expires=EXPIRES_SECONDS)
def end_of_day(**_: Any) -> None:
    """Close what is past and was not closed yet; a run that fires late takes nothing of the day after."""
    services.close_what_is_due(actor=ACTOR, now=timezone.now())


@shared_task(ignore_result=True, time_limit=TIME_LIMIT_SECONDS, expires=300)
def close_segments(**_: Any) -> None:
    """Close what is past and was not closed yet: segments after their session, and an end of the day that failed.

    Where all is closed it is one query.
    """
    services.close_what_is_due(actor=ACTOR, now=timezone.now())


@shared_task(ignore_result=True, time_limit=TIME_LIMIT_SECONDS, expires=EXPIRES_SECONDS)
def release_expired(**_: Any) -> None:
    """Let go of contracts past their last day, and take their entries off the lists."""
    services.release_expired(now=timezone.now())


@shared_task(ignore_result=True, time_limit=600, expires=EXPIRES_SECONDS)
def restore_kept(*, is_last: bool = False, **_: Any) -> None:
    """Bring back the entries that their traders keep; the last run of a morning tells them what does not."""
    services.restore_kept(now=timezone.now(), is_last=is_last)
