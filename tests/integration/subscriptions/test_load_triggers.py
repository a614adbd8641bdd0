"""Triggers of the database: loads equal the row counts, and no connection exceeds its capacity."""

from collections.abc import Sequence

import pytest
from django.db import IntegrityError, connection, transaction

from marketdata.models import Instrument
from subscriptions.domain.claims import Tier
from subscriptions.models import FeedConnection, Subscription
from tests.factories import NOW, make_equities

pytestmark = pytest.mark.django_db


def subscribe(instruments: Sequence[Instrument], *, number: int = 1, leaving: int | None = None) -> None:
    """Insert subscriptions without the placement service."""
    Subscription.objects.bulk_create(
        [
            Subscription(
                instrument=one, connection_id=number, leaving_connection_id=leaving, tier=Tier.A, mode="full", since=NOW
            )
            for one in instruments
        ]
    )


def loads() -> dict[int, int]:
    return dict(FeedConnection.objects.order_by("number").values_list("number", "load"))


def test_loads_follow_inserts_and_deletes() -> None:
    subscribe(make_equities(7), number=3)
    assert loads() == {1: 0, 2: 0, 3: 7, 4: 0, 5: 0}

    Subscription.objects.filter(pk__in=Subscription.objects.values("pk")[:5]).delete()
    assert loads() == {1: 0, 2: 0, 3: 2, 4: 0, 5: 0}


def test_a_moving_subscription_counts_on_both_connections_until_the_move_ends() -> None:
    subscribe(make_equities(4), number=1)

    Subscription.objects.update(connection_id=2, leaving_connection_id=1)
    assert loads() == {1: 4, 2: 4, 3: 0, 4: 0, 5: 0}

    Subscription.objects.update(leaving_connection_id=None)
    assert loads() == {1: 0, 2: 4, 3: 0, 4: 0, 5: 0}


def test_deleting_a_moving_subscription_reduces_both_loads() -> None:
    subscribe(make_equities(2), number=1, leaving=5)
    assert loads() == {1: 2, 2: 0, 3: 0, 4: 0, 5: 2}

    Subscription.objects.all().delete()
    assert loads() == {1: 0, 2: 0, 3: 0, 4: 0, 5: 0}


def test_an_update_without_a_move_changes_no_load() -> None:
    subscribe(make_equities(2), number=4)

    Subscription.objects.update(tier=Tier.B)

    assert loads() == {1: 0, 2: 0, 3: 0, 4: 2, 5: 0}


def test_an_insert_over_capacity_fails_as_a_whole() -> None:
    FeedConnection.objects.update(capacity=50)
    instruments = make_equities(51)

    with pytest.raises(IntegrityError, match="feed_connections_load_within_capacity"), transaction.atomic():
        subscribe(instruments, number=2)

    assert loads()[2] == 0
    assert not Subscription.objects.exists()


def test_an_update_that_moves_too_many_rows_to_a_connection_is_refused() -> None:
    FeedConnection.objects.update(capacity=50)
    instruments = make_equities(51)
    subscribe(instruments[:26], number=1)
    subscribe(instruments[26:], number=2)

    with pytest.raises(IntegrityError, match="feed_connections_load_within_capacity"), transaction.atomic():
        connection.cursor().execute("UPDATE subscriptions SET connection_id = 3")

    assert loads() == {1: 26, 2: 25, 3: 0, 4: 0, 5: 0}


def test_the_load_cannot_be_updated_directly() -> None:
    with pytest.raises(IntegrityError, match="kept by triggers"), transaction.atomic():
        FeedConnection.objects.filter(number=1).update(load=17)

    FeedConnection.objects.filter(number=1).update(state="live")


def test_a_sixth_connection_and_a_capacity_over_5000_are_refused() -> None:
    with pytest.raises(IntegrityError, match="feed_connections_number_1_to_5"), transaction.atomic():
        FeedConnection.objects.create(number=6, since=NOW)
    with pytest.raises(IntegrityError, match="feed_connections_capacity_5000"), transaction.atomic():
        FeedConnection.objects.update(capacity=5_001)


def test_an_instrument_cannot_be_subscribed_twice() -> None:
    instruments = make_equities(1)
    subscribe(instruments, number=1)

    with pytest.raises(IntegrityError, match="instrument_id"), transaction.atomic():
        subscribe(instruments, number=2)

    assert loads() == {1: 1, 2: 0, 3: 0, 4: 0, 5: 0}


def test_truncating_subscriptions_resets_the_loads() -> None:
    subscribe(make_equities(3), number=1)

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE subscriptions CASCADE")

    assert loads()[1] == 0
