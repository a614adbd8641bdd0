"""The full-capacity scenario: 8,500 instruments of tier B and 16,500 of tier A stream, and one chain is added."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from rest_framework.test import APIClient

from accounts.models import User
from subscriptions.domain.claims import Tier
from subscriptions.models import Claim, FeedConnection, Subscription, SubscriptionLog
from tests.factories import Listing, make_equity, make_series, put_prices
from tests.integration.subscriptions.claim_factories import fill_with_shares
from tests.integration.subscriptions.invariants import check_invariants
from tests.integration.watchlists.notice_listeners import record_notices
from watchlists.models import WatchlistEntry

ADD = "/api/v2/watchlist/add"
INFY = {"symbol": "INFY", "instrument_type": "STOCK_OPTION"}
RELIANCE = {"symbol": "RELIANCE", "instrument_type": "STOCK_OPTION"}


@pytest.fixture
def full_capacity(listing: Listing, client_of_vikram: APIClient, settings: Settings) -> Iterator[WatchlistEntry]:
    """Fill all 25,000 slots; return vikram's INFY chain, which was viewed last an hour ago."""
    now = timezone.now()
    infy = make_equity("INFY")
    make_series(infy, middle=1_600, step=20, strikes=41)
    put_prices({infy.pk: 1_604.0})
    # The setup is not timed, and it may exceed the statement timeout on a busy machine.
    timeout_ms, settings.STATEMENT_TIMEOUT_MS = settings.STATEMENT_TIMEOUT_MS, 60_000
    fill_with_shares(8_500, prefix="ALWAYS", tier=Tier.B, now=now)
    assert client_of_vikram.post(ADD, INFY).json()["legs"] == 50
    fill_with_shares(16_449, prefix="DEMAND", now=now)
    settings.STATEMENT_TIMEOUT_MS = timeout_ms
    Claim.objects.filter(underlying_symbol="INFY").update(last_viewed_at=now - timedelta(hours=1))
    assert list(FeedConnection.objects.values_list("load", flat=True)) == [5_000] * 5
    with connection.cursor() as cursor:
        # Without new statistics, plans for small tables would check 25,000 foreign keys by sequential scans.
        cursor.execute("ANALYZE instruments, subscriptions, claims, claim_legs")
    yield WatchlistEntry.objects.get()
    with connection.cursor() as cursor:
        # The service has set its statement timeout for the transaction; the deferred checks on teardown take longer.
        cursor.execute("SET LOCAL statement_timeout = 0")


def test_one_more_chain_evicts_the_oldest_and_both_traders_are_notified(
    full_capacity: WatchlistEntry,
    client_of_asha: APIClient,
    client_of_vikram: APIClient,
    asha: User,
    vikram: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        answer = client_of_asha.post(ADD, RELIANCE).json()

    assert (answer["legs"], answer["subscribed"], answer["evicted"]) == (50, 50, ["INFY 24 Feb"])
    assert answer["message"] == "Added RELIANCE 24 Feb, removed INFY 24 Feb (capacity limit)"
    assert Subscription.objects.count() == 25_000
    assert Subscription.objects.filter(tier="B").count() == 8_500
    evicted = SubscriptionLog.objects.get(action="evict")
    assert (evicted.subject, evicted.reason, evicted.actor) == ("INFY 24 Feb 2026 x25", "CAPACITY", "asha")
    check_invariants()

    notices = record_notices([asha.pk, vikram.pk], callbacks)
    assert {
        "type": "notice",
        "kind": "evicted",
        "text": "Added RELIANCE 24 Feb, removed INFY 24 Feb (capacity limit)",
    } in notices[asha.pk]
    assert notices[vikram.pk] == [
        {
            "type": "notice",
            "kind": "evicted",
            "text": "RELIANCE 24 Feb needed room. INFY 24 Feb stopped streaming.",
            "lost": [{"symbol": "INFY", "exchange": "NSE", "expiry": "2026-02-24", "instrument_id": None}],
        },
        {"type": "watchlist_changed"},
    ]
    (entry,) = client_of_vikram.get("/api/v2/watchlist/me").json()["entries"]
    assert (entry["id"], entry["symbol"], entry["state"]) == (full_capacity.pk, "INFY", "evicted")
    again = client_of_vikram.post(ADD, INFY)
    assert (again.status_code, again.json()["entry"]["id"]) == (200, full_capacity.pk)
    assert again.json()["message"].startswith("Added INFY 24 Feb, removed DEMAND0, DEMAND1, DEMAND2 and 48 more")
    assert Subscription.objects.count() == 25_000
