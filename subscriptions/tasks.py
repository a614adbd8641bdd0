"""Periodic tasks of subscriptions, on the default queue. All are idempotent and may run late."""

import logging
from collections.abc import Callable

from celery import shared_task
from django.db import OperationalError
from django.utils import timezone

from marketdata import quote_board
from marketdata import services as market_services
from marketdata.domain.errors import DomainError
from subscriptions import selectors, services

logger = logging.getLogger(__name__)


@shared_task(name="subscriptions.tasks.preload_tier_b", time_limit=60)
def preload_tier_b(**_: object) -> None:
    """Preload tier B."""
    _run_pass("preload_tier_b", services.preload_tier_b)


@shared_task(name="subscriptions.tasks.make_log_months", time_limit=60)
def make_log_months(**_: object) -> None:
    """Create the partitions of the audit log for the coming months."""
    services.make_log_months(now=timezone.now())


@shared_task(name="subscriptions.tasks.drop_log_months", time_limit=60)
def drop_log_months(**_: object) -> None:
    """Drop partitions of the audit log after AUDIT_KEEP_DAYS; if readers hold a lock, the next run drops them."""
    try:
        services.drop_log_months(now=timezone.now())
    except OperationalError as error:
        logger.warning("partitions of the audit log not dropped, next attempt tomorrow: %s", error)


@shared_task(name="subscriptions.tasks.recentre", time_limit=60)
def recentre(**_: object) -> None:
    """Recentre the windows whose underlying moved a strike step."""
    _run_pass("recentre", services.recentre)


@shared_task(name="subscriptions.tasks.request_chains", ignore_result=True, time_limit=60)
def request_chains(**_: object) -> None:
    """Request the broker's chains of a few series that stream, for the analytics."""
    try:
        market_services.request_chains(series=selectors.list_streamed_keys(), now=timezone.now())
    except quote_board.BoardError as error:
        logger.warning("option chains not requested, next attempt at the next run: %s", error)


@shared_task(name="subscriptions.tasks.release_unviewed", time_limit=60)
def release_unviewed(**_: object) -> None:
    """Release the chains that only browsers showed, a minute after the last one left."""
    _run_pass("release_unviewed", services.release_unviewed)


def _run_pass(name: str, run: Callable[..., object]) -> None:
    """Run a pass and record it; a refused pass is tried again at the next beat."""
    now = timezone.now()
    try:
        run(now=now)
    except quote_board.BoardError as error:
        logger.warning("%s failed, next attempt at the next beat: %s", name, error)
        return
    except DomainError as refusal:
        logger.warning("%s refused, next attempt at the next beat: %s", name, refusal)
    # Recorded even for a refused pass: health reads it as a sign that beat and worker run. A refused preload shows in
    # the tier_b part of health.
    quote_board.connect().note_run(task=f"subscriptions.tasks.{name}", at=now)
