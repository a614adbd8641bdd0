"""The scheduler of beat: a last run in the future counts as none."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from terminal import health
from terminal.beat import Scheduler
from terminal.celery import app

# Not in a transaction: the library closes old database connections before it reads.
pytestmark = pytest.mark.django_db(transaction=True)


def read_schedule() -> Scheduler:
    return Scheduler(app=app, lazy=True)


def due(scheduler: Scheduler) -> set[str]:
    return {name for name, entry in scheduler.schedule.items() if entry.is_due().is_due}


def enabled() -> set[str]:
    return set(PeriodicTask.objects.filter(enabled=True).values_list("name", flat=True))


def test_every_task_whose_last_run_lies_in_the_future_runs_now() -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() + timedelta(days=2))

    assert {"Import instruments", "End of day", "Preload tier B", "Renew the broker's access token"} <= enabled()
    assert due(read_schedule()) == enabled()


def test_a_task_that_ran_is_not_due_again_at_once() -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() + timedelta(days=400))
    scheduler = read_schedule()

    following = [next(entry) for entry in scheduler.schedule.values() if entry.is_due().is_due]

    assert len(following) == len(enabled())
    assert not any(entry.is_due().is_due for entry in following)
    for entry in following:
        entry.save()
    assert not PeriodicTask.objects.filter(last_run_at__gt=timezone.now()).exists()


def test_only_the_tasks_with_a_last_run_in_the_future_run_out_of_turn() -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now())
    PeriodicTask.objects.filter(name="Import instruments").update(last_run_at=timezone.now() + timedelta(hours=1))

    assert due(read_schedule()) == {"Import instruments"}


def test_a_clock_that_is_put_right_while_beat_runs_is_noticed() -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now())
    scheduler = read_schedule()
    entry = scheduler.schedule["Preload tier B"]
    assert not entry.is_due().is_due

    entry.last_run_at = timezone.now() + timedelta(minutes=5)

    assert entry.is_due().is_due


def test_health_counts_the_tasks_with_a_last_run_in_the_future() -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now())
    assert health.read_database().ahead == 0

    PeriodicTask.objects.filter(name__in=["Import instruments", "End of day"]).update(
        last_run_at=timezone.now() + timedelta(days=2)
    )

    assert health.read_database().ahead == 2
