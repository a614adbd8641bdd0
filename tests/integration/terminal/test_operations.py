"""docs/operations.md names every beat task that the migrations seed."""

import pytest
from django_celery_beat.models import PeriodicTask

from tests.unit.docs.test_operations import names


@pytest.mark.django_db
def test_every_beat_task_is_documented() -> None:
    seeded = set(PeriodicTask.objects.exclude(task__startswith="celery.").values_list("name", flat=True))

    assert names("Task", "Beat tasks") == seeded
