"""A database of another version is refused before any table is touched."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.django_db


def test_a_database_of_older_migrations_is_refused_with_the_command_that_recreates_it() -> None:
    MigrationRecorder(connection).record_applied("subscriptions", "0018_connection_life")

    with pytest.raises(SystemCheckError) as refusal:
        call_command("migrate", verbosity=0, skip_checks=False)

    assert "does not have its migration subscriptions.0018_connection_life (1 in all)" in str(refusal.value)
    assert "createdb NAME" in str(refusal.value)
    assert "manage.py migrate" in str(refusal.value)


# The migrations of the two squashed apps in each state of the past in which they were complete.
FORMER_STATES = {
    "the first squash": {
        "marketdata": ["0001_schema", "0002_market_sessions_2026", "0003_schedule"],
        "subscriptions": ["0001_schema", "0002_triggers", "0003_rules", "0004_schedule"],
    },
    "before the second squash": {
        "marketdata": [
            "0001_schema",
            "0002_market_sessions_2026",
            "0003_schedule",
            "0004_previous_token",
            "0005_import_followed",
            "0006_closing_quotes",
            "0007_closing_quotes_schedule",
            "0008_file_judgement",
            "0009_index_spellings",
            "0010_former_series_index",
            "0011_remove_old_closes_schedule",
            "0012_missing_closes_schedule",
            "0013_search_indexes",
        ],
        "subscriptions": [
            "0001_schema",
            "0002_triggers",
            "0003_rules",
            "0004_schedule",
            "0005_follow_action",
            "0006_held_slots",
            "0007_replaced_socket",
            "0008_chains_schedule",
            "0009_view_claims",
            "0010_view_schedule",
        ],
    },
}


@pytest.mark.parametrize("state", FORMER_STATES)
def test_a_database_from_before_a_squash_is_refused_and_stays_as_it_is(state: str) -> None:
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app__in=FORMER_STATES[state]).delete()
    for app, names in FORMER_STATES[state].items():
        for name in names:
            recorder.record_applied(app, name)
    before = set(recorder.applied_migrations())

    with pytest.raises(SystemCheckError) as refusal:
        call_command("migrate", verbosity=0, skip_checks=False)

    assert "does not have its migration marketdata.0001_schema" in str(refusal.value)
    assert "createdb NAME" in str(refusal.value)
    assert set(recorder.applied_migrations()) == before


@pytest.mark.parametrize("app", ["marketdata", "subscriptions"])
def test_the_first_migration_of_a_squashed_app_has_a_name_that_no_earlier_state_had(app: str) -> None:
    first = min(name for disk_app, name in MigrationLoader(None).disk_migrations if disk_app == app)

    assert all(first not in state[app] for state in FORMER_STATES.values())


def test_a_database_of_this_version_is_accepted() -> None:
    call_command("migrate", verbosity=0, skip_checks=False)
    call_command("check", "--database", "default", "--fail-level", "ERROR")


def test_migrations_of_third_party_packages_are_ignored() -> None:
    MigrationRecorder(connection).record_applied("django_celery_beat", "0099_of_a_later_release")

    call_command("migrate", verbosity=0, skip_checks=False)
