"""R23, R25: concurrent requests for the same entry or the same day."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, connections, transaction
from pytest_django import Settings

from accounts.models import User
from subscriptions.models import Claim, EndOfDayRun, Subscription, SubscriptionLog
from subscriptions.services import release_claim
from subscriptions.services.placement.lock import PLACEMENT_LOCK
from tests.factories import NOW, add_to_watchlist, make_equities, make_equity, make_series, make_user, put_prices
from watchlists import services
from watchlists.models import EntryKind, WatchlistEntry
from watchlists.selectors import UnknownEntry

CUT = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)  # 15:30 IST

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asha(own_board: str, settings: Settings) -> User:
    settings.MARKET_DATE = date(2026, 2, 10)
    spot = make_equity("RELIANCE", security_id=2885)
    make_series(spot, middle=2_600, step=20, strikes=41)
    put_prices({spot.pk: 2_604.0})
    return make_user("asha")


def test_one_of_four_identical_additions_succeeds(asha: User) -> None:
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def add() -> None:
        try:
            start.wait(timeout=10)
            add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, now=NOW)
            outcomes.append("added")
        except services.DuplicateEntry:
            outcomes.append("duplicate")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["added", "duplicate", "duplicate", "duplicate"]
    assert (WatchlistEntry.objects.count(), Claim.objects.filter(kind="watchlist").count()) == (1, 1)
    assert Subscription.objects.count() == 51


def test_a_removal_and_the_end_of_day_do_not_deadlock(asha: User) -> None:
    entry = add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, now=NOW).entry
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def remove() -> None:
        try:
            start.wait(timeout=10)
            services.remove_entry(user_id=asha.pk, actor=asha.username, entry_id=entry.pk, now=NOW)
            outcomes.append("removed")
        except UnknownEntry:
            outcomes.append("gone")
        finally:
            connections.close_all()

    def close() -> None:
        try:
            start.wait(timeout=10)
            services.end_of_day(closes=date(2026, 2, 10), actor="beat", now=NOW)
            outcomes.append("closed")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=remove), threading.Thread(target=close)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert "closed" in outcomes
    assert len(outcomes) == 2
    assert not WatchlistEntry.objects.exists()
    assert not Claim.objects.exists()
    assert not Subscription.objects.exists()


def run_together(*operations: Callable[[], None]) -> None:
    """Start all operations at once, each in a thread with a database connection, and wait for their end."""
    start = threading.Barrier(len(operations))
    failures: list[BaseException] = []

    def run(operation: Callable[[], None]) -> None:
        try:
            start.wait(timeout=10)
            operation()
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[operation]) for operation in operations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert failures == []


def wait_until_lock_is_awaited() -> None:
    """Return once a session waits for the placement lock."""
    with connection.cursor() as cursor:
        for _ in range(100_000):
            cursor.execute(
                "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted AND objid = %s",
                [PLACEMENT_LOCK],
            )
            if cursor.fetchone() != (0,):
                return
    raise AssertionError("no session waits for the placement lock")


def test_a_removal_concurrent_with_an_eviction_and_a_new_claim_leaves_no_claim(asha: User) -> None:
    entry = add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, now=NOW).entry
    claim_id = WatchlistEntry.objects.get(pk=entry.pk).claim_id
    assert claim_id is not None
    is_locked = threading.Event()

    def evict_and_claim_again() -> None:
        with transaction.atomic():
            release_claim(claim_id=claim_id, actor="staff", reason="BY_HAND", now=NOW)
            is_locked.set()
            wait_until_lock_is_awaited()
            add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, now=NOW)

    def remove() -> None:
        is_locked.wait(timeout=10)
        services.remove_entry(user_id=asha.pk, actor=asha.username, entry_id=entry.pk, now=NOW)

    run_together(evict_and_claim_again, remove)

    assert not WatchlistEntry.objects.exists()
    assert not Claim.objects.exists()
    assert not Subscription.objects.exists()


def test_two_end_of_day_runs_at_once_have_one_effect(asha: User) -> None:
    add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, now=NOW)
    cleared: list[services.RemovedEntries] = []

    def close() -> None:
        cleared.append(services.end_of_day(closes=date(2026, 2, 10), actor="beat", now=CUT))

    run_together(close, close)

    assert sorted(one.release.claims for one in cleared) == [0, 1]
    assert EndOfDayRun.objects.count() == 1
    assert SubscriptionLog.objects.filter(reason="EOD_CLEANUP").count() == 2  # the chain and its spot


def test_an_addition_concurrent_with_the_end_of_day_is_released_and_logged_or_stays(asha: User) -> None:
    shares = [one.token for one in make_equities(12)]
    early, racing, late = shares[:4], shares[4:8], shares[8:]

    def add(symbols: Sequence[str], now: datetime) -> None:
        for symbol in symbols:
            add_to_watchlist(asha, symbol, EntryKind.EQUITY, now=now)

    def close() -> None:
        services.end_of_day(closes=date(2026, 2, 10), actor="beat", now=CUT)

    before, after = CUT - timedelta(seconds=1), CUT + timedelta(seconds=1)
    add(early, before)
    run_together(close, lambda: add(racing, before), lambda: add(late, after))

    standing = {entry.instrument.token for entry in WatchlistEntry.objects.exclude(claim=None) if entry.instrument}
    released = list(SubscriptionLog.objects.filter(reason="EOD_CLEANUP").values_list("subject", flat=True))
    assert standing >= set(late)
    assert set(released) >= set(early)
    assert sorted([*standing, *released]) == sorted(shares)
    assert WatchlistEntry.objects.count() == Subscription.objects.count() == len(standing)
