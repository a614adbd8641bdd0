"""Every difference is reported and repaired once; a repair deletes no row that a claim needs."""

import asyncio
from collections.abc import Sequence
from io import StringIO

import pytest
import redis.asyncio
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from marketdata import quote_board
from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.instruments import InstrumentKey
from subscriptions import selectors, services
from subscriptions.domain.claims import ClaimKind
from subscriptions.models import Claim, ClaimLeg, FeedConnection, FeedLease, Subscription, SubscriptionLog
from tests.factories import NOW, Listing, make_user
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument, list_loads
from tests.integration.subscriptions.invariants import check_invariants


def differences(*, repair: bool = False) -> list[str]:
    """Return the differences of the rows, without those of the board such as a missing owner."""
    found = services.check(repair=repair, actor="operator1", now=NOW)
    return [str(one) for one in found if "it has no owner" not in one.text]


def subscribed() -> Sequence[int]:
    return sorted(Subscription.objects.values_list("instrument_id", flat=True))


def test_consistent_rows_are_not_changed(listing: Listing) -> None:
    claim_chain(listing.series[0], user_id=make_user("trader1").pk, width=5)
    before = subscribed()

    assert differences(repair=True) == []

    assert subscribed() == before
    assert not SubscriptionLog.objects.filter(reason="REPAIR").exists()


def test_a_wrong_load_is_recounted(listing: Listing) -> None:
    claim_chain(listing.series[0], user_id=make_user("trader1").pk, width=5)
    right = list_loads()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('subscriptions.recounting', 'yes', true)")
        FeedConnection.objects.filter(number=3).update(load=77)
        cursor.execute("SELECT set_config('subscriptions.recounting', '', true)")

    assert differences() == ["connection 3 has load 77, but 2 subscriptions"]
    assert list_loads()[2] == 77
    assert differences(repair=True) == ["connection 3 has load 77, but 2 subscriptions (repaired)"]

    assert list_loads() == right
    row = SubscriptionLog.objects.get(reason="REPAIR")
    assert (row.action, row.actor, row.subject) == ("repair", "operator1", "load of connection 3")
    assert row.counts == {"was": 77, "load": 2}
    assert differences(repair=True) == []


def test_missing_legs_are_added_and_unrelated_legs_deleted(listing: Listing) -> None:
    user = make_user("trader1").pk
    chain = claim_chain(listing.series[0], user_id=user, width=5).claim_id
    share = claim_instrument(listing.spots["TCS"].pk, user_id=user).claim_id
    before = subscribed()
    unrelated = Subscription.objects.get(instrument=listing.spots["TCS"])
    ClaimLeg.objects.filter(claim=chain)[0].delete()
    ClaimLeg.objects.filter(claim=chain)[0].delete()
    ClaimLeg.objects.create(claim_id=chain, subscription=unrelated)
    ClaimLeg.objects.filter(claim=share).delete()
    Subscription.objects.filter(legs=None).delete()

    assert len(differences()) == 2
    assert [one.split(") ", 1)[1] for one in differences(repair=True)] == [
        "lacks 2 of its legs and holds 1 extra ones (repaired)",
        "lacks 1 of its legs and holds 0 extra ones (repaired)",
    ]

    assert subscribed() == before
    check_invariants()
    assert differences(repair=True) == []


def test_a_subscription_without_a_claim_is_released(listing: Listing) -> None:
    placed = claim_instrument(listing.spots["TCS"].pk, user_id=make_user("trader1").pk)
    Claim.objects.get(pk=placed.claim_id).delete()

    assert differences(repair=True) == ["TCS is subscribed, but no claim holds it (repaired)"]

    assert subscribed() == []
    row = SubscriptionLog.objects.get(reason="REPAIR")
    assert (row.legs, row.counts["released"]) == ([listing.spots["TCS"].pk], 1)


def test_wrong_tiers_and_modes_are_recomputed_from_claims_and_instruments(listing: Listing) -> None:
    claim_chain(listing.series[0], user_id=make_user("trader1").pk, width=3)
    first, second = Subscription.objects.filter(mode="full").order_by("pk")[:2]
    Subscription.objects.filter(pk=first.pk).update(tier="B")
    Subscription.objects.filter(pk=second.pk).update(mode="quote")

    assert differences(repair=True) == [
        f"subscription {first.pk} has a wrong tier, A is right (repaired)",
        f"subscription {second.pk} has a wrong mode, full is right (repaired)",
    ]

    check_invariants()
    assert differences(repair=True) == []


def test_a_missing_spot_is_claimed_and_a_spot_without_chains_is_released(listing: Listing) -> None:
    claim_chain(listing.series[0], user_id=make_user("trader1").pk, width=3)
    spot = Claim.objects.get(kind=ClaimKind.SPOT)
    Claim.objects.filter(spot=spot).update(spot=None)
    idle = Claim.objects.create(
        kind=ClaimKind.SPOT, tier="A", instrument=listing.spots["TCS"], last_viewed_at=NOW, claimed_at=NOW
    )

    found = differences(repair=True)

    assert [one.endswith("(repaired)") for one in found] == [True] * len(found)
    assert not Claim.objects.filter(pk=idle.pk).exists()
    assert Claim.objects.get(expiry__isnull=False).spot_id == spot.pk
    check_invariants()
    assert differences(repair=True) == []


def test_missing_legs_without_room_are_reported_and_nothing_is_evicted(listing: Listing) -> None:
    placed = claim_chain(listing.series[0], user_id=make_user("trader1").pk, width=3)
    ClaimLeg.objects.filter(claim=placed.claim_id)[0].delete()
    Subscription.objects.filter(legs=None).delete()
    for number, load in enumerate(list_loads(), start=1):
        FeedConnection.objects.filter(number=number).update(capacity=load)

    (text,) = differences(repair=True)

    assert "lacks 1 of its legs and holds 0 extra ones; they do not fit" in text
    assert len(subscribed()) == 6


def test_the_sent_set_on_the_board_is_compared_key_by_key(listing: Listing) -> None:
    claim_chain(listing.series[0], user_id=make_user("trader1").pk, width=3)
    sent: dict[int, list[InstrumentKey]] = {
        number: [one.key for one in selectors.list_wanted(connection=number)] for number in range(1, 6)
    }
    moved = sent[2].pop()
    sent[4].append(moved)
    asyncio.run(report_all(sent))

    assert differences() == [
        "connection 1: quotes of 3 instruments are cached that it does not carry",  # the prices of this test
        f"connection 2: 1 wanted instruments were not sent to the broker, such as {moved}",
        f"connection 4: 1 instruments were sent to the broker that are not wanted, such as {moved}",
    ]


def test_a_report_of_a_former_owner_is_reported_as_a_difference(listing: Listing) -> None:
    FeedLease.objects.filter(connection=3).update(owner="worker-2", epoch=8)
    asyncio.run(report_all({3: []}, epoch=7))

    assert "connection 3: reported by a former owner (epoch 7, now 8)" in differences()


async def report_all(sent: dict[int, list[InstrumentKey]], *, epoch: int = 0) -> None:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        board = quote_board.OwnerBoard(client, settings.REDIS_PREFIX)
        for number, keys in sent.items():
            count = len(keys)
            await board.report(
                ConnectionReport(
                    number, "worker-1", epoch, ConnectionState.LIVE, count, count, count, 9, 1.0, None, 1, ""
                ),
                quote_board.pack_keys(keys),
            )


def test_the_command_exits_with_1_and_logs_an_error_while_differences_remain(
    listing: Listing, caplog: pytest.LogCaptureFixture
) -> None:
    placed = claim_instrument(listing.spots["TCS"].pk, user_id=make_user("trader1").pk)
    Claim.objects.get(pk=placed.claim_id).delete()
    output = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("check_subscriptions", wait=0.0, stdout=output)

    assert ended.value.code == 1
    assert output.getvalue().splitlines() == [
        "TCS is subscribed, but no claim holds it",
        "connection 1: it has no owner, 1 instruments wait",
        "0 repaired, 2 left",
    ]
    (line,) = caplog.records
    assert (line.levelname, "2 differences" in line.getMessage()) == ("ERROR", True)

    output = StringIO()
    call_command("check_subscriptions", repair=True, wait=0.0, stdout=output)
    assert output.getvalue().splitlines() == [
        "TCS is subscribed, but no claim holds it (repaired)",
        "1 repaired, 0 left",
    ]
