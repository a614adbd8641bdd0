"""The audit log is append-only and has a partition for every month."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from marketdata.selectors import IST
from subscriptions import services, tasks
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


def test_a_row_of_the_log_cannot_be_updated() -> None:
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
        cursor.execute(f"DELETE FROM {table}")  # noqa: S608  the table names are constants above

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


def test_partitions_begin_at_midnight_ist() -> None:
    late_in_january_utc = datetime(2031, 1, 31, 18, 30, tzinfo=UTC)  # 00:00 IST on 1 February

    write(late_in_january_utc)

    assert {"subscription_log_2031_02"} <= partitions()
    assert "subscription_log_2031_01" not in partitions()


def test_creating_a_partition_twice_creates_it_once() -> None:
    make_month(NOW)
    before = partitions()

    make_month(NOW)

    assert partitions() == before


def test_partitions_older_than_the_retention_are_dropped(settings: Settings) -> None:
    settings.AUDIT_KEEP_DAYS = 30
    now = datetime(2026, 3, 31, 6, tzinfo=UTC)
    for month, day in ((1, 15), (2, 1), (3, 1)):
        write(datetime(2026, month, day, tzinfo=UTC))

    # 30 days of retention begin on 1 March: all of February is older.
    assert services.drop_log_months(now=now) == ("subscription_log_2026_01", "subscription_log_2026_02")

    assert [row.at for row in SubscriptionLog.objects.all()] == [datetime(2026, 3, 1, tzinfo=UTC)]
    assert services.drop_log_months(now=now) == ()


def test_a_partition_with_one_day_inside_the_retention_is_not_dropped(settings: Settings) -> None:
    settings.AUDIT_KEEP_DAYS = 31

    write(datetime(2026, 2, 1, tzinfo=UTC))

    assert services.drop_log_months(now=datetime(2026, 3, 31, 6, tzinfo=UTC)) == ()
    assert SubscriptionLog.objects.count() == 1


def test_the_current_partition_is_never_dropped_even_with_a_wrong_clock(settings: Settings) -> None:
    settings.AUDIT_KEEP_DAYS = 1
    today = timezone.now()
    row = write(today)
    ahead = partitions()

    services.drop_log_months(now=today + timedelta(days=3_650))

    assert SubscriptionLog.objects.get() == row
    assert {f"subscription_log_{today.astimezone(IST):%Y_%m}"} <= partitions() <= ahead


@pytest.mark.django_db(transaction=True)
def test_a_purge_gives_up_when_a_reader_blocks_it(settings: Settings) -> None:
    settings.AUDIT_KEEP_DAYS = 30
    write(datetime(2020, 1, 15, tzinfo=UTC))
    other = connection.copy()
    other.set_autocommit(False)
    with closing(other), other.cursor() as reader:
        reader.execute("SELECT count(*) FROM subscription_log")

        tasks.drop_log_months()  # Raises nothing.

        assert "subscription_log_2020_01" in partitions()

    tasks.drop_log_months()
    assert "subscription_log_2020_01" not in partitions()
