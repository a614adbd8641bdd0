"""The rows that the migrations seed in a new database."""

import pytest
from django_celery_beat.models import PeriodicTask

from subscriptions.models import FeedConnection, FeedLease, PreloadRule

pytestmark = pytest.mark.django_db


def test_five_connections_of_5000_slots_are_seeded_with_their_leases() -> None:
    connections = FeedConnection.objects.order_by("number").values_list("number", "capacity", "load", "state")

    assert list(connections) == [(number, 5_000, 0, "wanted") for number in (1, 2, 3, 4, 5)]
    assert FeedLease.objects.filter(owner="", epoch=0, expires_at=None).count() == 5


def test_the_lean_profile_has_the_specified_rules() -> None:
    rules = PreloadRule.objects.filter(profile="lean").order_by("position")

    assert list(
        rules.values_list(
            "exchange_segment", "underlying_symbol", "weekly", "monthly", "quarterly", "strikes", "futures"
        )
    ) == [
        (2, "NIFTY", 8, 3, 4, 21, 0),
        (2, "BANKNIFTY", 0, 5, 4, 21, 0),
        (8, "SENSEX", 4, 1, 3, 21, 0),
        (2, "FINNIFTY", 0, 5, 3, 21, 0),
        (2, "MIDCPNIFTY", 0, 5, 3, 21, 0),
        (8, "BANKEX", 0, 5, 3, 21, 0),
        (5, "GOLD", 0, 0, 0, 0, 1),
        (5, "SILVER", 0, 0, 0, 0, 1),
        (5, "COPPER", 0, 0, 0, 0, 1),
        (5, "CRUDEOIL", 0, 2, 0, 21, 2),
        (5, "NATURALGAS", 0, 2, 0, 21, 2),
    ]


def test_the_schedule_is_in_indian_time_and_tasks_expire_after_their_interval() -> None:
    every = PeriodicTask.objects.get(task="subscriptions.tasks.preload_tier_b")
    close = PeriodicTask.objects.get(task="watchlists.tasks.end_of_day")
    opening = PeriodicTask.objects.get(task="marketdata.tasks.import_instruments")

    assert (every.interval.every, every.interval.period, every.expire_seconds) == (10, "seconds", 10)
    assert (close.crontab.hour, close.crontab.minute, str(close.crontab.timezone)) == ("15", "30", "Asia/Kolkata")
    assert (opening.crontab.hour, opening.crontab.minute, str(opening.crontab.timezone)) == ("8", "0", "Asia/Kolkata")
    assert {every.queue, close.queue, opening.queue} == {"default"}
