"""The daily import, as beat starts it."""

import logging
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from marketdata import services

logger = logging.getLogger(__name__)

TIME_LIMIT_SECONDS: Final = 600


@shared_task(name="marketdata.tasks.import_instruments", ignore_result=True, time_limit=TIME_LIMIT_SECONDS)
def import_instruments(**_: object) -> None:
    """Import the broker's instrument file; a refusal is in the record and the log, and yesterday's list stays."""
    services.import_instruments(source=settings.DHAN_INSTRUMENTS_URL, now=timezone.now())
