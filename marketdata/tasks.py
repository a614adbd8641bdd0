"""The daily import and the look after the access token, as beat starts them."""

import logging
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from marketdata import services

logger = logging.getLogger(__name__)

TIME_LIMIT_SECONDS: Final = 600
# Longer than the broker is given to answer with a new token.
RENEWAL_LIMIT_SECONDS: Final = 60


@shared_task(name="marketdata.tasks.import_instruments", ignore_result=True, time_limit=TIME_LIMIT_SECONDS)
def import_instruments(**_: object) -> None:
    """Import the broker's instrument file; a refusal is in the record and the log, and yesterday's list stays."""
    services.import_instruments(source=settings.DHAN_INSTRUMENTS_URL, now=timezone.now())


@shared_task(name="marketdata.tasks.renew_broker_token", ignore_result=True, time_limit=RENEWAL_LIMIT_SECONDS)
def renew_broker_token(**_: object) -> None:
    """Renew or generate the access token if that is due; a failure is in the log, in health and in the admin."""
    services.renew_token(now=timezone.now())
