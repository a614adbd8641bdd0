"""Two requests for the same thing at the same time."""

import threading
from datetime import date

import pytest
from django.db import connections
from pytest_django import Settings

from accounts.models import User
from subscriptions.models import Claim, Subscription
from tests.factories import NOW, make_equity, make_series, make_user, put_prices
from watchlists import services
from watchlists.models import EntryKind, WatchlistEntry
from watchlists.selectors import UnknownEntry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asha(own_board: str, settings: Settings) -> User:
    settings.MARKET_DATE = date(2026, 2, 10)
    spot = make_equity("RELIANCE", security_id=2885)
    make_series(spot, middle=2_600, step=20, strikes=41)
    put_prices({spot.pk: 2_604.0})
    return make_user("asha")


def test_of_four_identical_additions_one_stands(asha: User) -> None:
    start = threading.Barrier(4)
    outcomes: list[str] = []

    def add() -> None:
        try:
            start.wait(timeout=10)
            services.add_entry(user_id=asha.pk, symbol="RELIANCE", kind=EntryKind.STOCK_OPTION, now=NOW)
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


def test_a_removal_and_the_end_of_the_day_do_not_wait_for_each_other_forever(asha: User) -> None:
    entry = services.add_entry(user_id=asha.pk, symbol="RELIANCE", kind=EntryKind.STOCK_OPTION, now=NOW).entry
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def remove() -> None:
        try:
            start.wait(timeout=10)
            services.remove_entry(user_id=asha.pk, entry_id=entry.pk, now=NOW)
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
