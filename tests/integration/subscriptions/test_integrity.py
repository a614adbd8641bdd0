"""Integrity of legs and subscriptions: the database checks the referenced rows of every statement."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from django.db import IntegrityError, connection, transaction

from marketdata.models import Instrument
from subscriptions.domain.claims import Tier
from subscriptions.models import Claim, ClaimLeg, FeedConnection, Subscription
from tests.factories import NOW, make_equities
from tests.integration.subscriptions.claim_factories import claim_instrument

pytestmark = pytest.mark.django_db

NOBODY = 987_654_321


@pytest.fixture
def held() -> Iterator[Subscription]:
    """Return the subscription of a share with one claim."""
    share = make_equities(1)[0]
    claim_instrument(share.pk, user_id=None)
    yield Subscription.objects.get(instrument=share)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM claim_legs AS leg LEFT JOIN claims ON claims.id = leg.claim_id "
            "LEFT JOIN subscriptions ON subscriptions.id = leg.subscription_id "
            "WHERE claims.id IS NULL OR subscriptions.id IS NULL"
        )
        assert cursor.fetchone() == (0,)


def execute(sql: str, *values: int | datetime) -> int:
    """Run one statement in a transaction; return its row count."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def test_a_leg_without_its_claim_or_its_subscription_is_refused(held: Subscription) -> None:
    claim = Claim.objects.get()
    with pytest.raises(IntegrityError, match=f"claim {NOBODY} and subscription {held.pk}, which are not both there"):
        execute("INSERT INTO claim_legs (claim_id, subscription_id) VALUES (%s, %s)", NOBODY, held.pk)
    with pytest.raises(IntegrityError, match=f"claim {claim.pk} and subscription {NOBODY}, which are not both there"):
        execute("INSERT INTO claim_legs (claim_id, subscription_id) VALUES (%s, %s)", claim.pk, NOBODY)


def test_a_leg_cannot_be_updated_to_a_missing_row(held: Subscription) -> None:
    with pytest.raises(IntegrityError, match="not both there"):
        execute("UPDATE claim_legs SET subscription_id = %s WHERE subscription_id = %s", NOBODY, held.pk)


def test_one_invalid_leg_of_many_fails_the_whole_statement(held: Subscription) -> None:
    shares = make_equities(3, prefix="MORE")
    other = Claim.objects.create(kind="watchlist", tier="A", instrument=shares[0], last_viewed_at=NOW, claimed_at=NOW)
    with pytest.raises(IntegrityError, match="not both there"):
        execute(
            "INSERT INTO claim_legs (claim_id, subscription_id) VALUES (%s, %s), (%s, %s)",
            *(other.pk, held.pk),
            *(other.pk, NOBODY),
        )
    assert not ClaimLeg.objects.filter(claim=other).exists()


def test_a_held_subscription_cannot_be_deleted(held: Subscription) -> None:
    with pytest.raises(IntegrityError, match=f"subscription {held.pk} is held by a claim"):
        execute("DELETE FROM subscriptions WHERE id = %s", held.pk)


def test_a_deleted_claim_deletes_its_legs_only(held: Subscription) -> None:
    first = Claim.objects.get()
    second = claim_instrument(held.instrument_id, user_id=None).claim_id

    assert execute("DELETE FROM claims WHERE id = %s", first.pk) == 1

    assert list(ClaimLeg.objects.values_list("claim_id", flat=True)) == [second]


def test_a_spot_that_has_chains_cannot_be_deleted(held: Subscription) -> None:
    spot = Claim.objects.get()
    Claim.objects.create(
        kind="chain",
        tier="A",
        exchange_segment=2,
        underlying_symbol="X",
        expiry=NOW.date(),
        width=3,
        spot=spot,
        last_viewed_at=NOW,
        claimed_at=NOW,
    )
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(IntegrityError, match="still referenced"):
        execute("DELETE FROM claims WHERE id = %s", spot.pk)
    assert Claim.objects.filter(pk=spot.pk).exists()


def test_a_subscription_needs_its_instrument_and_its_connection(held: Subscription) -> None:
    insert = (
        "INSERT INTO subscriptions (instrument_id, connection_id, tier, mode, since) VALUES (%s, %s, 'A', 'full', %s)"
    )
    with pytest.raises(IntegrityError, match=f"instrument_id {NOBODY}, which is not there"):
        execute(insert, NOBODY, 1, NOW)
    with pytest.raises(IntegrityError, match="connection_id"):
        execute(insert, make_equities(1, prefix="OTHER")[0].pk, 6, NOW)
    with pytest.raises(IntegrityError, match="connection_id"):
        execute("UPDATE subscriptions SET connection_id = 7 WHERE id = %s", held.pk)
    assert FeedConnection.objects.get(number=held.connection_id).load == 1


def test_a_subscribed_instrument_and_a_connection_in_use_cannot_be_deleted(held: Subscription) -> None:
    free = make_equities(1, prefix="FREE")[0]
    with pytest.raises(IntegrityError, match=f"instrument {held.instrument_id} is subscribed"):
        execute("DELETE FROM instruments WHERE id IN (%s, %s)", held.instrument_id, free.pk)
    with pytest.raises(IntegrityError, match="carries 1 subscriptions"):
        execute("DELETE FROM feed_connections WHERE number = %s", held.connection_id)
    assert execute("DELETE FROM instruments WHERE id = %s", free.pk) == 1
    assert Instrument.objects.filter(pk=held.instrument_id).exists()


@pytest.mark.parametrize("table", ["claims", "subscriptions"])
def test_truncating_deletes_the_legs(held: Subscription, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"TRUNCATE {table} CASCADE")

    assert not ClaimLeg.objects.exists()


def test_subscribed_instruments_cannot_be_truncated(held: Subscription) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(IntegrityError, match="instruments are subscribed"):
        execute("TRUNCATE instruments CASCADE")
    assert held.tier == Tier.A
