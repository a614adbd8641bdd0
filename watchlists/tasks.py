"""Periodic tasks of the watchlists, on the default queue. Each is idempotent and may run late."""

from typing import Any, Final

from celery import shared_task
from django.utils import timezone

from watchlists import services

TIME_LIMIT_SECONDS: Final = 120  # Chosen: far above the end of day at 25,000 subscriptions (benchmarks/bench_day.py).
RESTORE_TIME_LIMIT_SECONDS: Final = 600  # Chosen: a price request a second for hundreds of entries.
EXPIRES_SECONDS: Final = 24 * 3600  # The interval of these daily tasks: the next run does the same work.
FOLLOW_EXPIRES_SECONDS: Final = 10  # The interval of `follow_contracts` in the schedule.
SEGMENTS_EXPIRES_SECONDS: Final = 300  # The interval of `close_segments` in the schedule.
ACTOR: Final = "beat"


@shared_task(ignore_result=True, time_limit=TIME_LIMIT_SECONDS, expires=EXPIRES_SECONDS)
def end_of_day(**_: Any) -> None:
    """Run every end of day that is past and not yet done; a late run releases nothing of the next day."""
    services.close_past_days(actor=ACTOR, now=timezone.now())


@shared_task(ignore_result=True, time_limit=TIME_LIMIT_SECONDS, expires=SEGMENTS_EXPIRES_SECONDS)
def close_segments(**_: Any) -> None:
    """Run every past closing that is not yet done: segments after their session, and an end of day that failed.

    One query where nothing is left to close.
    """
    services.close_past_days(actor=ACTOR, now=timezone.now())


@shared_task(ignore_result=True, time_limit=TIME_LIMIT_SECONDS, expires=FOLLOW_EXPIRES_SECONDS)
def follow_contracts(**_: Any) -> None:
    """Make claims and entries follow the contracts that the last import changed; one query without a new import."""
    services.follow_contracts(now=timezone.now())


@shared_task(ignore_result=True, time_limit=TIME_LIMIT_SECONDS, expires=EXPIRES_SECONDS)
def release_expired(**_: Any) -> None:
    """Release claims of expired contracts and remove their entries."""
    services.release_expired(now=timezone.now())


@shared_task(ignore_result=True, time_limit=RESTORE_TIME_LIMIT_SECONDS, expires=EXPIRES_SECONDS)
def restore_kept(*, is_last: bool = False, **_: Any) -> None:
    """Claim entries with `keep` again; the last run of a morning notifies traders of refusals."""
    services.restore_kept(now=timezone.now(), is_last=is_last)
