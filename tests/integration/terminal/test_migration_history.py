"""A database of another version is refused before any table is touched."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.django_db


def test_a_database_of_older_migrations_is_refused_with_the_command_that_recreates_it() -> None:
    MigrationRecorder(connection).record_applied("subscriptions", "0018_connection_life")

    with pytest.raises(SystemCheckError) as refusal:
        call_command("migrate", verbosity=0, skip_checks=False)

    assert "does not have its migration subscriptions.0018_connection_life (1 in all)" in str(refusal.value)
    assert "createdb NAME" in str(refusal.value)
    assert "manage.py migrate" in str(refusal.value)


def test_a_database_of_this_version_is_accepted() -> None:
    call_command("migrate", verbosity=0, skip_checks=False)
    call_command("check", "--database", "default", "--fail-level", "ERROR")


def test_migrations_of_third_party_packages_are_ignored() -> None:
    MigrationRecorder(connection).record_applied("django_celery_beat", "0099_of_a_later_release")

    call_command("migrate", verbosity=0, skip_checks=False)
