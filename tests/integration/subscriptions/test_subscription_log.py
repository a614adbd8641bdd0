"""The audit log can only grow, and has a partition for every month."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction

from subscriptions.domain.claims import LogAction
from subscriptions.models import SubscriptionLog
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def make_month(moment: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT subscription_log_make_month(%s)", [moment])


def write(moment: datetime = NOW) -> SubscriptionLog:
    make_month(moment)
    return SubscriptionLog.objects.create(
        at=moment, action=LogAction.SUBSCRIBE, reason="WATCHLIST_ADD", actor="trader1", subject="RELIANCE", legs=[1]
    )


def partitions() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'subscription_log'::regclass"
        )
        return {name for (name,) in cursor.fetchall()}


def test_a_row_of_the_log_cannot_be_changed() -> None:
    row = write()

    with pytest.raises(IntegrityError, match="append-only: UPDATE is refused"), transaction.atomic():
        SubscriptionLog.objects.filter(pk=row.pk).update(actor="nobody")

    assert SubscriptionLog.objects.get(pk=row.pk).actor == "trader1"


@pytest.mark.parametrize("table", ["subscription_log", "subscription_log_2026_02"])
def test_a_row_of_the_log_cannot_be_deleted(table: str) -> None:
    write()

    with (
        pytest.raises(IntegrityError, match="append-only: DELETE is refused"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"DELETE FROM {table}")  # noqa: S608  the names are above

    assert SubscriptionLog.objects.count() == 1


def test_the_log_cannot_be_truncated() -> None:
    write()

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE subscription_log ENABLE TRIGGER subscription_log_refuses_truncate")
    with (
        pytest.raises(IntegrityError, match="append-only: TRUNCATE is refused"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE subscription_log")

    assert SubscriptionLog.objects.count() == 1


def test_months_are_months_in_india() -> None:
    late_in_january_utc = datetime(2031, 1, 31, 18, 30, tzinfo=UTC)  # 00:00 IST on 1 February

    write(late_in_january_utc)

    assert {"subscription_log_2031_02"} <= partitions()
    assert "subscription_log_2031_01" not in partitions()


def test_making_a_month_twice_makes_it_once() -> None:
    make_month(NOW)
    before = partitions()

    make_month(NOW)

    assert partitions() == before


def test_an_old_month_is_purged_by_dropping_its_partition() -> None:
    write()

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE subscription_log_2026_02")

    assert not SubscriptionLog.objects.exists()
