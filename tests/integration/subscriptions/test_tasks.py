"""The periodic tasks: one call each, and a refusal waits for the next beat."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from marketdata import quote_board
from subscriptions import tasks
from subscriptions.models import Claim, FeedConnection
from tests.factories import Listing


def test_the_preload_task_holds_tier_b_and_notes_its_run(listing: Listing) -> None:
    tasks.preload_tier_b()

    assert Claim.objects.filter(kind="preload").count() == 5
    last = quote_board.connect().last_run("subscriptions.tasks.preload_tier_b")
    assert last is not None
    assert timezone.now() - last < timedelta(minutes=1)


def test_a_preload_that_is_refused_says_so_in_one_line_and_waits(
    listing: Listing, caplog: pytest.LogCaptureFixture
) -> None:
    FeedConnection.objects.update(capacity=1)

    tasks.preload_tier_b()

    assert not Claim.objects.exists()
    assert [record.levelname for record in caplog.records if record.name == "subscriptions.tasks"] == ["WARNING"]
    assert quote_board.connect().last_run("subscriptions.tasks.preload_tier_b") is None


@pytest.mark.django_db
def test_the_coming_months_of_the_log_are_made_ahead() -> None:
    tasks.make_log_months()

    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('subscription_log_' || to_char(now() + interval '3 months', 'YYYY_MM'))")
        assert cursor.fetchone() != (None,)
