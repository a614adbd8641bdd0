"""The morning: expired contracts are released, and entries with `keep` are claimed again."""

from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django_celery_beat.models import PeriodicTask
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from rest_framework.test import APIClient

from accounts.models import User
from subscriptions.models import Claim, FeedConnection, Subscription, SubscriptionLog
from tests.factories import NOW, Listing, add_to_watchlist
from tests.integration.watchlists.notice_listeners import record_notices
from watchlists import services, tasks
from watchlists.models import EntryKind, WatchlistEntry

TUESDAY = date(2026, 2, 10)
CUT = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)  # 15:30 IST
NEXT_MORNING = datetime(2026, 2, 11, 3, 15, tzinfo=UTC)  # 08:45 IST


def close_tuesday() -> None:
    services.end_of_day(closes=TUESDAY, actor="beat", now=CUT)


def counts(removed: services.RemovedEntries) -> tuple[int, int, int]:
    """Return the entries, claims and instruments released."""
    return removed.entries, removed.release.claims, removed.release.released


def test_kept_entries_lose_their_claim_and_are_restored_in_the_morning(asha: User, vikram: User) -> None:
    add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, keep=True, now=NOW)
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY, keep=True, now=NOW)
    add_to_watchlist(vikram, "TCS", EntryKind.EQUITY, now=NOW)
    close_tuesday()
    assert not Subscription.objects.exists()

    restored = services.restore_kept(now=NEXT_MORNING)

    assert restored == services.Restored(entries=2)
    entries = WatchlistEntry.objects.order_by("pk")
    assert [(one.underlying_symbol, one.claim is not None) for one in entries] == [("RELIANCE", True), ("TCS", True)]
    assert Subscription.objects.count() == 50 + 1 + 1
    assert Claim.objects.exclude(kind="spot").count() == 2
    assert SubscriptionLog.objects.filter(reason="WATCHLIST_KEPT", actor="asha").count() == 3


def test_restoring_twice_claims_once(asha: User) -> None:
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY, keep=True, now=NOW)
    close_tuesday()

    tasks.restore_kept.apply()
    tasks.restore_kept.apply()

    assert Claim.objects.count() == 1


def test_a_kept_entry_without_room_waits_with_its_reason_and_others_are_restored(asha: User) -> None:
    add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, keep=True, now=NOW)
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY, keep=True, now=NOW)
    close_tuesday()
    FeedConnection.objects.update(capacity=2)

    restored = services.restore_kept(now=NEXT_MORNING)

    assert restored.entries == 1
    assert [one.startswith("RELIANCE 24 Feb: ") for one in restored.waiting] == [True]
    assert WatchlistEntry.objects.count() == 2
    assert Subscription.objects.count() == 1


def test_an_entry_that_fails_to_restore_does_not_affect_other_traders(
    asha: User, vikram: User, listing: Listing
) -> None:
    for trader, symbol in ((asha, "RELIANCE"), (vikram, "TCS")):
        add_to_watchlist(trader, symbol, EntryKind.EQUITY, keep=True, now=NOW)
    close_tuesday()
    with connection.cursor() as cursor:
        cursor.execute("CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''broken''; END'")
        cursor.execute(
            "CREATE TRIGGER fail BEFORE INSERT ON claims FOR EACH ROW"
            f" WHEN (NEW.instrument_id = {listing.spots['RELIANCE'].pk}) EXECUTE FUNCTION fail()"
        )

    restored = services.restore_kept(now=NEXT_MORNING)

    assert restored == services.Restored(1, ("RELIANCE: The server failed to claim it.",))
    assert Claim.objects.get().user == vikram


def test_traders_are_notified_of_unrestored_entries_after_the_last_attempt(
    asha: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY, keep=True, now=NOW)
    close_tuesday()
    FeedConnection.objects.update(capacity=0)

    kinds = []
    for is_last in (False, True):
        with django_capture_on_commit_callbacks() as callbacks:
            services.restore_kept(now=NEXT_MORNING, is_last=is_last)
        kinds.append([one["kind"] for one in record_notices([asha.pk], callbacks)[asha.pk]])

    assert kinds == [[], ["not_restored"]]


def test_expired_contracts_are_released_and_their_entries_deleted(asha: User, settings: Settings) -> None:
    add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, keep=True, now=NOW)
    add_to_watchlist(asha, "CRUDEOIL", EntryKind.FUTURE, now=NOW)
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY, now=NOW)

    settings.MARKET_DATE = date(2026, 2, 24)  # the expiry of RELIANCE, five days after that of CRUDEOIL
    assert counts(services.release_expired(now=NEXT_MORNING)) == (1, 1, 1)
    settings.MARKET_DATE = date(2026, 2, 25)
    assert counts(services.release_expired(now=NEXT_MORNING)) == (1, 1, 50)

    assert [one.underlying_symbol for one in WatchlistEntry.objects.all()] == ["TCS"]
    assert Subscription.objects.count() == 1
    log = SubscriptionLog.objects.filter(reason="EXPIRED").order_by("pk")
    assert [(row.subject, row.actor, row.counts["released"]) for row in log] == [
        ("CRUDEOIL_19FEB2026_FUT", "expiry", 1),
        ("RELIANCE 24 Feb 2026 x25", "expiry", 50),
        ("RELIANCE", "expiry", 1),
    ]


def test_without_expired_contracts_nothing_is_released(asha: User) -> None:
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY, now=NOW)

    assert counts(services.release_expired(now=NEXT_MORNING)) == (0, 0, 0)
    assert Subscription.objects.count() == 1


@pytest.mark.django_db
def test_the_schedule_of_the_watchlists_is_in_indian_time() -> None:
    rows = PeriodicTask.objects.filter(task__startswith="watchlists.", crontab__isnull=False)
    rows = rows.order_by("task", "pk").select_related("crontab")

    assert [(row.task, row.crontab.hour, row.crontab.minute, row.kwargs) for row in rows] == [
        ("watchlists.tasks.close_segments", "*", "*/5", "{}"),
        ("watchlists.tasks.end_of_day", "15", "30", "{}"),
        ("watchlists.tasks.release_expired", "8", "10", "{}"),
        ("watchlists.tasks.restore_kept", "8", "45", "{}"),
        ("watchlists.tasks.restore_kept", "8", "50,55", "{}"),
        ("watchlists.tasks.restore_kept", "9", "0,5,10", "{}"),
        ("watchlists.tasks.restore_kept", "9", "15", '{"is_last": true}'),
    ]
    assert {str(row.crontab.timezone) for row in rows} == {"Asia/Kolkata"}
    assert all(row.expire_seconds for row in rows)


def test_an_entry_can_be_added_with_keep(asha: User, client_of_asha: APIClient) -> None:
    body = {"symbol": "TCS", "instrument_type": "EQUITY", "keep": True}

    answer = client_of_asha.post("/api/v2/watchlist/add", body)

    assert (answer.status_code, answer.json()["entry"]["keep"]) == (201, True)


def test_an_entry_can_get_keep_when_it_is_claimed_again(asha: User) -> None:
    first = add_to_watchlist(asha, "TCS", EntryKind.EQUITY, now=NOW).entry
    Claim.objects.all().delete()

    again = add_to_watchlist(asha, "TCS", EntryKind.EQUITY, keep=True, now=NOW)

    assert (again.entry.pk, again.entry.keep, again.is_new) == (first.pk, True, False)
    assert WatchlistEntry.objects.get().keep
