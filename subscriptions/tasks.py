"""Periodic tasks of subscriptions, on the default queue. Each may run twice, or late, without harm."""

import logging

from celery import shared_task
from django.db import OperationalError
from django.utils import timezone

from marketdata import quote_board
from marketdata.domain.errors import DomainError
from subscriptions import services

logger = logging.getLogger(__name__)


@shared_task(name="subscriptions.tasks.preload_tier_b", time_limit=60)
def preload_tier_b(**_: object) -> None:
    """Hold what the preload rules want; what is refused now is tried again with the next beat."""
    now = timezone.now()
    try:
        services.preload_tier_b(now=now)
    except quote_board.BoardError as refusal:
        logger.warning("preload waits for the next beat: %s", refusal)
        return
    except DomainError as refusal:
        logger.warning("preload waits for the next beat: %s", refusal)
    # A run that was refused is a run all the same: beat and worker live. What is refused shows in tier B.
    quote_board.connect().note_run(task="subscriptions.tasks.preload_tier_b", at=now)


@shared_task(name="subscriptions.tasks.make_log_months", time_limit=60)
def make_log_months(**_: object) -> None:
    """Make the coming months of the audit log ahead of need."""
    services.make_log_months(now=timezone.now())


@shared_task(name="subscriptions.tasks.drop_log_months", time_limit=60)
def drop_log_months(**_: object) -> None:
    """Drop months of the audit log that are older than it is kept; where readers are in the way, tomorrow."""
    try:
        services.drop_log_months(now=timezone.now())
    except OperationalError as error:
        logger.warning("months of the audit log are dropped tomorrow: %s", error)


@shared_task(name="subscriptions.tasks.recentre", time_limit=60)
def recentre(**_: object) -> None:
    """Move the windows whose underlying has moved a strike step; what is refused now is tried with the next beat."""
    now = timezone.now()
    try:
        services.recentre(now=now)
    except quote_board.BoardError as refusal:
        logger.warning("recentring waits for the next beat: %s", refusal)
        return
    except DomainError as refusal:
        logger.warning("recentring waits for the next beat: %s", refusal)
    quote_board.connect().note_run(task="subscriptions.tasks.recentre", at=now)
