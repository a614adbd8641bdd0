"""The worker step that sets the deadline for database answers."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from celery import Celery
from django.conf import settings
from django.test import override_settings

from terminal.postgres import base
from terminal.worker_steps import FeedDatabaseDeadline


@pytest.fixture(autouse=True)
def process_without_deadline() -> Iterator[None]:
    base.set_default_deadline(0)
    yield
    base.set_default_deadline(0)


def start_step(*queues: str) -> None:
    """Start the step in a worker that consumes `queues`, as its blueprint does."""
    app = Celery("test")
    app.amqp.queues.select(list(queues))
    worker = SimpleNamespace(app=app)
    FeedDatabaseDeadline(worker).include(worker)


@override_settings(DATABASE_PATIENCE_MS=0)
def test_a_feed_worker_has_a_database_deadline_of_four_seconds() -> None:
    start_step("feed")

    breaker = base.process_breaker()
    assert breaker is not None
    assert breaker.statement_seconds == 4.0
    assert settings.DATABASE_PATIENCE_MS == 0  # The step changes no setting.


@override_settings(DATABASE_PATIENCE_MS=1_500)
def test_the_setting_overrides_the_deadline_of_a_feed_worker() -> None:
    start_step("feed")

    breaker = base.process_breaker()
    assert breaker is not None
    assert breaker.statement_seconds == 1.5


@override_settings(DATABASE_PATIENCE_MS=0)
def test_a_work_worker_has_no_database_deadline() -> None:
    start_step("default")

    assert base.process_breaker() is None
