"""The end of the day, as beat starts it."""

from datetime import date, datetime, timedelta
from typing import Any, Final

from celery import shared_task
from django.utils import timezone

from marketdata.selectors import IST
from subscriptions.services.end_of_day import CUT
from watchlists import services

TIME_LIMIT_SECONDS: Final = 120
EXPIRES_SECONDS: Final = 24 * 3600


# It runs on the default queue.
@shared_task(ignore_result=True, time_limit=TIME_LIMIT_SECONDS, expires=EXPIRES_SECONDS)
def end_of_day(**_: Any) -> None:
    """Close the last date whose 15:30 IST has passed; a run that fires late takes nothing of the day after."""
    now = timezone.now()
    services.end_of_day(closes=last_closed(now), actor="beat", now=now)


def last_closed(now: datetime) -> date:
    """Return the newest date in IST whose cut is not later than `now`."""
    here = now.astimezone(IST)
    return here.date() if here.time() >= CUT else here.date() - timedelta(days=1)
