"""The periodic tasks: one service call each; a refusal is retried on the next beat."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pytest_django import Settings

from marketdata import quote_board
from subscriptions import services, tasks
from subscriptions.models import Claim, SubscriptionLog
from subscriptions.services.placement.lock import PLACEMENT_LOCK
from tests.brokers import running_broker
from tests.factories import Listing, make_user, open_chain, put_prices
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument


def test_the_preload_task_claims_tier_b_and_records_its_run(listing: Listing) -> None:
    tasks.preload_tier_b()

    assert Claim.objects.filter(kind="preload").count() == 5
    last = quote_board.connect().last_run("subscriptions.tasks.preload_tier_b")
    assert last is not None
    assert timezone.now() - last < timedelta(minutes=1)


def test_a_preload_without_a_board_logs_one_line_and_claims_nothing(
    listing: Listing, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"  # no server listens there

    tasks.preload_tier_b()

    assert not Claim.objects.exists()
    assert [record.levelname for record in caplog.records if record.name == "subscriptions.tasks"] == ["WARNING"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_preload_records_its_run(
    listing: Listing, settings: Settings, own_board: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.STATEMENT_TIMEOUT_MS = 150
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PLACEMENT_LOCK])

    tasks.preload_tier_b()
    other.close()

    assert not Claim.objects.exists()
    assert [record.levelname for record in caplog.records if record.name == "subscriptions.tasks"] == ["WARNING"]
    assert quote_board.connect().last_run("subscriptions.tasks.preload_tier_b") is not None


def test_the_recentre_task_moves_windows_and_accepts_arguments_of_a_newer_release(listing: Listing) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk, width=5)
    put_prices({listing.spots["RELIANCE"].pk: 2_644.0}, now=timezone.now())

    tasks.recentre(from_a_newer_release=True)

    assert SubscriptionLog.objects.filter(action="recentre", actor="recentre").count() == 1
    assert quote_board.connect().last_run("subscriptions.tasks.recentre") is not None


def test_a_recentre_without_a_board_logs_one_warning(
    listing: Listing, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk, width=5)
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    tasks.recentre()

    assert [record.levelname for record in caplog.records if record.name == "subscriptions.tasks"] == ["WARNING"]


def test_the_task_releases_unviewed_chains_and_accepts_arguments_of_a_newer_release(listing: Listing) -> None:
    opened_at = timezone.now() - timedelta(seconds=61)
    chain = open_chain(listing.series_of("RELIANCE"), width=5, now=opened_at)
    assert services.claim_view(chain=chain, user_id=None, is_opening=True, now=opened_at)

    tasks.release_unviewed(from_a_newer_release=True)

    assert not Claim.objects.exists()
    assert quote_board.connect().last_run("subscriptions.tasks.release_unviewed") is not None


@pytest.mark.django_db
def test_the_partitions_of_the_next_months_are_created_in_advance() -> None:
    tasks.make_log_months()

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass('subscription_log_' || to_char(month + make_interval(months => n), 'YYYY_MM')) "
            "FROM generate_series(0, 3) AS n, date_trunc('month', now() AT TIME ZONE 'Asia/Kolkata') AS month"
        )
        assert None not in {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("now", "months"),
    [
        # In IST 29 November. Three months later in UTC is 28 February, in IST 1 March.
        (datetime(2036, 11, 28, 19, tzinfo=UTC), ["2036_11", "2036_12", "2037_01", "2037_02"]),
        # In IST 1 February.
        (datetime(2037, 1, 31, 19, tzinfo=UTC), ["2037_02", "2037_03", "2037_04", "2037_05"]),
    ],
)
def test_no_month_is_left_out_at_the_end_of_a_month(now: datetime, months: list[str]) -> None:
    services.make_log_months(now=now)

    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname ~ '^subscription_log_203[67]_..$' ORDER BY 1")
        assert [name for (name,) in cursor.fetchall()] == [f"subscription_log_{month}" for month in months]


def test_the_broker_s_chains_of_the_series_that_stream_are_requested(listing: Listing, settings: Settings) -> None:
    settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN = "1000000001", "token"
    row = PeriodicTask.objects.get(task="subscriptions.tasks.request_chains")
    assert (row.enabled, row.interval.every, row.queue) == (True, 5, "default")
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user().pk, width=5)
    claim_instrument(listing.spots["TCS"].pk, user_id=make_user("trader2").pk)

    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        tasks.request_chains()

    assert [(path, body["UnderlyingScrip"]) for path, body in broker.requests] == [
        ("/optionchain", listing.spots["RELIANCE"].security_id)
    ]
