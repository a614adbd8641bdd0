"""Concurrent writers, each with a database connection: no overflow and no inconsistent load."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier, Event

import pytest
from django.db import OperationalError, connection, connections
from pytest_django import Settings

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import SeriesKey
from subscriptions import services
from subscriptions.domain.claims import Tier
from subscriptions.models import Claim, FeedConnection, Subscription, SubscriptionLog
from subscriptions.services.placement.lock import PLACEMENT_LOCK
from tests.factories import NOW, Listing, make_user
from tests.integration.subscriptions.claim_factories import (
    claim_chain,
    count_subscribed,
    fill_with_shares,
    list_loads,
    release_claim,
)
from tests.integration.subscriptions.invariants import check_invariants

WRITERS = 8
OPERATIONS = 12
# The limits are those of the rows: `test_writers_at_capacity` has the broker's 5,000 on each connection.
CAPACITY = 200
READING_SECONDS = 0.01
"""chosen: several readings during each operation, and the writers get most of the CPU"""


def run_in_parallel(operations: Sequence[Callable[[], list[str]]]) -> list[str]:
    """Start all operations at once, each in a thread; return their outcomes."""
    start = Barrier(len(operations))

    def run(operation: Callable[[], list[str]]) -> list[str]:
        try:
            start.wait(timeout=30)
            return operation()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(operations)) as pool:
        return [outcome for outcomes in pool.map(run, operations) for outcome in outcomes]


def add_and_remove(chains: Sequence[tuple[SeriesKey, int]], user_id: int, seed: int) -> list[str]:
    """Claim chains and sometimes release one; return the outcome of each operation."""
    chance = Random(seed)
    mine: list[int] = []
    outcomes = []
    for _ in range(OPERATIONS):
        series, width = chance.choice(chains)
        try:
            if mine and chance.random() < 0.3:
                release_claim(mine.pop(chance.randrange(len(mine))))
            else:
                mine.append(claim_chain(series, user_id=user_id, width=width).claim_id)
            outcomes.append("done")
        except DomainError as refusal:
            outcomes.append(refusal.code)
    return outcomes


def watch_loads(finished: Event) -> list[str]:
    """Read the committed loads until the writers have finished; return every inconsistent reading."""
    broken = []
    while not finished.wait(READING_SECONDS):
        with connection.cursor() as cursor:
            cursor.execute("""
                WITH placed AS (SELECT connection_id, count(*) AS rows FROM subscriptions GROUP BY connection_id)
                SELECT number, load, capacity, coalesce(rows, 0)
                FROM feed_connections LEFT JOIN placed ON connection_id = number
                WHERE load > capacity OR load <> coalesce(rows, 0)
            """)
            broken += [
                f"connection {number}: load {load} of {capacity}, {rows} rows"
                for number, load, capacity, rows in cursor.fetchall()
            ]
    connections.close_all()
    return broken


@pytest.mark.django_db(transaction=True)
def test_eight_writers_at_the_capacity_never_exceed_it_and_some_are_refused(listing: Listing) -> None:
    FeedConnection.objects.update(capacity=CAPACITY)
    # 61 strikes never fit, and narrower ones only by eviction.
    fill_with_shares(5 * CAPACITY - 100, tier=Tier.B)
    users = [make_user(f"trader{number}").pk for number in range(WRITERS)]
    chains = [(series, width) for series in listing.series for width in (21, 41, 61)]
    finished = Event()

    with ThreadPoolExecutor(1) as watcher:
        watching = watcher.submit(watch_loads, finished)
        outcomes = run_in_parallel(
            [
                lambda user=user, seed=seed: add_and_remove(chains, user, seed)  # type: ignore[misc]
                for seed, user in enumerate(users)
            ]
        )
        finished.set()
        broken = watching.result(timeout=30)

    assert broken == []
    assert len(outcomes) == WRITERS * OPERATIONS
    assert set(outcomes) <= {"done", "unknown_claim", "capacity", "placement_busy"}
    assert {"done", "capacity"} <= set(outcomes)
    assert 5 * CAPACITY - 100 < count_subscribed() <= 5 * CAPACITY
    assert max(list_loads()) <= CAPACITY
    check_invariants()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("long_timeouts")
def test_writers_of_one_chain_share_its_subscriptions(listing: Listing) -> None:
    users = [make_user(f"trader{number}").pk for number in range(WRITERS)]
    series = listing.series_of("RELIANCE")

    outcomes = run_in_parallel(
        [lambda user=user: [str(claim_chain(series, user_id=user).subscribed)] for user in users]  # type: ignore[misc]
    )

    assert sorted(outcomes) == ["0"] * 7 + ["50"]
    assert count_subscribed() == 51
    assert Claim.objects.count() == WRITERS + 1
    check_invariants()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("long_timeouts")
def test_two_preload_passes_at_once_have_one_effect(listing: Listing) -> None:
    outcomes = run_in_parallel([lambda: [str(services.preload_tier_b(now=NOW).claimed)]] * 2)

    assert sorted(outcomes) == ["0", "5"]
    assert Subscription.objects.count() == 129
    assert SubscriptionLog.objects.count() == 7
    check_invariants()


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_waits_too_long_for_the_lock_is_refused_with_placement_busy(
    listing: Listing, settings: Settings
) -> None:
    settings.STATEMENT_TIMEOUT_MS = 150
    user = make_user().pk
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PLACEMENT_LOCK])

    with pytest.raises(services.PlacementBusy) as refusal:
        claim_chain(listing.series_of("RELIANCE"), user_id=user)

    assert refusal.value.code == "placement_busy"
    assert not Claim.objects.exists()
    other.close()
    assert claim_chain(listing.series_of("RELIANCE"), user_id=user).legs == 50


@pytest.mark.django_db(transaction=True)
def test_a_lost_database_session_is_no_refusal_of_the_claim_and_leaves_nothing_behind(listing: Listing) -> None:
    user = make_user().pk

    def lose_session() -> None:
        with services.placement(now=NOW), connection.cursor() as cursor:
            claim_chain(listing.series_of("RELIANCE"), user_id=user)
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(OperationalError):
        lose_session()

    connection.close()
    assert not Claim.objects.exists()
    assert not Subscription.objects.exists()
