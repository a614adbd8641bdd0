"""Periodic tasks: the daily instrument import, the renewal of the access token, the record of closing prices."""

import logging
from typing import Final

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from marketdata import quote_board, services

logger = logging.getLogger(__name__)

# Chosen: an import of the real file takes 9.2 s (benchmarks/README.md); the rest is for a slow download.
TIME_LIMIT_SECONDS: Final = 600
# Chosen: above the 20 s of dhan_api.TOKEN_TIMEOUT plus the 28 s of STORE_RETRY_SECONDS.
RENEWAL_LIMIT_SECONDS: Final = 60
# Chosen: far above the record of 25,000 instruments.
CLOSES_LIMIT_SECONDS: Final = 120
# Chosen: twice the time of a run (`services.missing_closes`); the next one follows after this time.
CANDLES_LIMIT_SECONDS: Final = 60


@shared_task(name="marketdata.tasks.import_instruments", ignore_result=True, time_limit=TIME_LIMIT_SECONDS)
def import_instruments(
    *, accepts: int | None = None, is_dry_run: bool = False, actor: str = "", source: str = "", **_: object
) -> None:
    """Import the broker's instrument file, or `source`; after a refusal, in record and log, the former list stays.

    Staff start a dry run, or accept the findings of a record, with their name as `actor`.
    """
    services.import_instruments(
        source=source or settings.DHAN_INSTRUMENTS_URL,
        now=timezone.now(),
        accepts=accepts,
        is_dry_run=is_dry_run,
        actor=actor,
    )


@shared_task(name="marketdata.tasks.renew_broker_token", ignore_result=True, time_limit=RENEWAL_LIMIT_SECONDS)
def renew_broker_token(**_: object) -> None:
    """Renew or generate the access token if its expiry is near; failures appear in log, health and admin."""
    services.renew_token(now=timezone.now())


@shared_task(name="marketdata.tasks.record_closes", ignore_result=True, time_limit=CLOSES_LIMIT_SECONDS)
def record_closes(**_: object) -> None:
    """Record closing prices and open interest of segments that have closed; nothing else where all are recorded."""
    try:
        services.record_closes(now=timezone.now())
    except quote_board.BoardError as error:
        logger.warning("closing prices not recorded, next attempt at the next run: %s", error)


@shared_task(name="marketdata.tasks.remove_old_closes", ignore_result=True, time_limit=CLOSES_LIMIT_SECONDS)
def remove_old_closes(**_: object) -> None:
    """Remove recorded closing prices beyond the newest CLOSES_KEEP_DAYS, a bounded number of days each run."""
    services.remove_old_closes()


@shared_task(name="marketdata.tasks.fill_closes", ignore_result=True, time_limit=CANDLES_LIMIT_SECONDS)
def fill_closes(**_: object) -> None:
    """Record previous closes that no other source has, from the broker's daily candles; a few in each run."""
    try:
        services.fill_closes(now=timezone.now())
    except quote_board.BoardError as error:
        logger.warning("previous closes not completed, next attempt at the next run: %s", error)
