"""Failover and rebalance with PostgreSQL: moves, waiting subscriptions, overlaps and the audit log."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from subscriptions import selectors, services
from subscriptions.domain.claims import Tier
from subscriptions.models import FeedConnection, Subscription, SubscriptionLog
from tests.factories import NOW, Listing, make_equities, make_user
from tests.integration.subscriptions.claim_factories import (
    claim_chain,
    claim_instrument,
    fill_with_shares,
    list_loads,
    release_claim,
)
from tests.integration.subscriptions.connection_rules import lose, make_live
from tests.integration.subscriptions.invariants import check_invariants

pytestmark = pytest.mark.usefixtures("own_board")


def placed_on(number: int) -> Sequence[int]:
    return sorted(Subscription.objects.filter(connection=number).values_list("instrument_id", flat=True))


def fill_with_overlaps() -> None:
    """Fill four connections, whose overlaps with the returned fifth one take the slots that it relieved."""
    FeedConnection.objects.update(capacity=6)
    fill_with_shares(24)
    make_live(1, 2, 3, 4)
    lose(5)
    assert services.fail_over(connection=5, now=NOW).moved == 4
    make_live(5)
    assert list_loads() == [6, 6, 6, 6, 0]
    services.rebalance(actor="operator1", now=NOW)
    assert list_loads() == [6, 6, 6, 6, 4]


def count_leaving() -> int:
    return Subscription.objects.filter(leaving_connection__isnull=False).count()


@pytest.mark.django_db
def test_all_subscriptions_of_a_lost_connection_move_to_the_live_ones() -> None:
    fill_with_shares(25)
    make_live(1, 2, 3, 4)
    lose(5)
    carried = placed_on(5)

    report = services.fail_over(connection=5, now=NOW)

    assert (report.moved, report.waiting, report.to) == (5, 0, {1: 2, 2: 1, 3: 1, 4: 1})
    assert list_loads() == [7, 6, 6, 6, 0]
    assert count_leaving() == 0
    moves = SubscriptionLog.objects.filter(action="move").order_by("pk")
    assert [(row.subject, row.reason, row.actor, row.counts) for row in moves] == [
        ("connection 5 to 1", "FAILOVER", "feed", {"legs": 2}),
        ("connection 5 to 2", "FAILOVER", "feed", {"legs": 1}),
        ("connection 5 to 3", "FAILOVER", "feed", {"legs": 1}),
        ("connection 5 to 4", "FAILOVER", "feed", {"legs": 1}),
    ]
    assert sorted(one for row in moves for one in row.legs) == carried
    check_invariants()


@pytest.mark.django_db
def test_subscriptions_without_room_wait_and_tier_b_then_the_latest_viewed_move_first() -> None:
    FeedConnection.objects.filter(number__in=[2, 3, 4]).update(capacity=0)
    FeedConnection.objects.filter(number=1).update(capacity=2)
    FeedConnection.objects.filter(number=5).update(capacity=10)
    make_live(1)
    lose(1)  # so that all are placed on connection 5, which is not lost yet
    user = make_user("trader1").pk
    old, viewed, always_on, newest = make_equities(4)
    claim_instrument(viewed.pk, user_id=user, now=NOW + timedelta(minutes=5))
    claim_instrument(old.pk, user_id=user, now=NOW)
    claim_instrument(always_on.pk, user_id=None, tier=Tier.B, now=NOW)
    claim_instrument(newest.pk, user_id=user, now=NOW + timedelta(minutes=9))
    assert list_loads() == [0, 0, 0, 0, 4]
    make_live(1)
    lose(5)

    report = services.fail_over(connection=5, now=NOW)

    assert (report.moved, report.waiting) == (2, 2)
    assert placed_on(1) == sorted([always_on.pk, newest.pk])
    assert placed_on(5) == sorted([viewed.pk, old.pk])


@pytest.mark.django_db
def test_two_failovers_of_one_connection_move_its_subscriptions_once() -> None:
    fill_with_shares(10)
    make_live(1, 2, 3, 4)
    lose(5)

    first, second = (services.fail_over(connection=5, now=NOW) for _ in range(2))

    assert (first.moved, second.moved) == (2, 0)
    assert SubscriptionLog.objects.filter(action="move").count() == 2


@pytest.mark.django_db
def test_a_failover_of_a_live_connection_or_without_a_live_target_moves_nothing() -> None:
    fill_with_shares(10)
    lose(5)
    assert services.fail_over(connection=5, now=NOW).moved == 0  # no connection is live

    make_live(1, 5)
    assert services.fail_over(connection=5, now=NOW).moved == 0

    assert list_loads() == [2, 2, 2, 2, 2]


@pytest.mark.django_db
def test_a_returned_connection_stays_empty_until_a_rebalance_moves_with_an_overlap() -> None:
    fill_with_shares(25)
    make_live(1, 2, 3, 4)
    lose(5)
    services.fail_over(connection=5, now=NOW)
    make_live(5)

    done = services.rebalance(actor="operator1", now=NOW)

    assert (done.moves, done.before, done.after) == (
        5,
        {1: 7, 2: 6, 3: 6, 4: 6, 5: 0},
        {1: 5, 2: 5, 3: 5, 4: 5, 5: 5},
    )
    assert count_leaving() == 5
    assert list_loads() == [7, 6, 6, 6, 5]  # on both connections until the new one streams
    arriving = placed_on(5)
    assert len(selectors.list_wanted(connection=1)) == 7
    assert [one.instrument_id for one in selectors.list_wanted(connection=5) if one.is_arriving] == arriving
    assert SubscriptionLog.objects.filter(action="move", reason="REBALANCE", actor="operator1").count() == 4
    check_invariants()

    assert services.finish_moves(connection=5, instrument_ids=arriving[:3], now=NOW) == 3
    assert services.finish_moves(connection=1, instrument_ids=arriving, now=NOW) == 0
    assert services.finish_moves(connection=5, instrument_ids=arriving, now=NOW) == 2

    assert list_loads() == [5, 5, 5, 5, 5]
    assert services.rebalance(actor="operator1", now=NOW).moves == 0


@pytest.mark.django_db
def test_a_rebalance_does_not_use_a_lost_connection() -> None:
    fill_with_shares(20)
    make_live(1, 2, 3, 4)
    lose(5)
    services.fail_over(connection=5, now=NOW)

    assert services.rebalance(actor="operator1", now=NOW).moves == 0
    assert list_loads() == [5, 5, 5, 5, 0]


@pytest.mark.django_db
def test_a_move_leaves_the_old_connection_first_when_there_is_no_room_for_an_overlap() -> None:
    fill_with_overlaps()

    fill_with_shares(6)  # 24 of 30 slots are used once all overlaps have ended

    assert list_loads() == [6, 6, 6, 6, 6]
    assert count_leaving() == 0
    check_invariants()


@pytest.mark.django_db
def test_a_rebalance_without_room_for_its_overlaps_lets_earlier_moves_leave_their_connection_first() -> None:
    FeedConnection.objects.filter(number__gt=2).update(capacity=0)
    FeedConnection.objects.filter(number__lte=2).update(capacity=6)
    make_live(1)
    lose(2)
    shares = make_equities(6)
    user = make_user("trader1").pk
    claims = {one.pk: claim_instrument(one.pk, user_id=user).claim_id for one in shares}
    make_live(2)
    services.rebalance(actor="operator1", now=NOW)
    moved = placed_on(2)
    for stayed in placed_on(1):
        release_claim(claims[stayed])
    fill_with_shares(6)
    # Connection 1 streams its three new shares and the three that leave it: both connections are full.
    assert (len(placed_on(1)), len(placed_on(2)), list_loads()[:2]) == (3, 6, [6, 6])

    done = services.rebalance(actor="operator1", now=NOW)

    assert (done.moves, done.before[1], done.before[2], done.after[1], done.after[2]) == (1, 3, 6, 4, 5)
    # The earlier moves have left connection 1, whether or not connection 2 streams them yet: their slots are free.
    assert not {one.instrument_id for one in selectors.list_wanted(connection=1)} & set(moved)
    # The new move found room on both connections, and keeps its old one until connection 1 streams it.
    (leaving,) = Subscription.objects.filter(leaving_connection__isnull=False)
    assert (leaving.connection_id, leaving.leaving_connection_id) == (1, 2)
    assert list_loads()[:2] == [4, 6]
    check_invariants()


@pytest.mark.django_db
def test_a_failover_ends_overlaps_whose_slots_it_needs() -> None:
    fill_with_overlaps()
    lose(4)

    report = services.fail_over(connection=4, now=NOW)

    # With their overlaps the other connections had two free slots.
    assert (report.moved, report.waiting) == (5, 0)
    assert list_loads() == [6, 6, 6, 0, 6]
    assert count_leaving() == 0
    check_invariants()


@pytest.mark.django_db
def test_a_failover_reverts_moves_to_the_lost_connection_and_completes_moves_from_it() -> None:
    fill_with_shares(25)
    make_live(1, 2, 3, 4)
    lose(5)
    services.fail_over(connection=5, now=NOW)
    make_live(5)
    services.rebalance(actor="operator1", now=NOW)
    lose(5)

    assert services.fail_over(connection=5, now=NOW).moved == 5
    assert list_loads() == [7, 6, 6, 6, 0]
    assert count_leaving() == 0

    make_live(5)
    services.rebalance(actor="operator1", now=NOW)
    lose(1)
    assert services.fail_over(connection=1, now=NOW).moved == 5
    assert list_loads()[0] == 0
    assert count_leaving() == 3  # the moves from 2, 3 and 4
    check_invariants()


@pytest.mark.django_db
def test_new_legs_go_to_a_lost_connection_only_when_no_other_has_room() -> None:
    FeedConnection.objects.update(capacity=3)
    make_live(1, 2, 3, 4)
    lose(5)

    fill_with_shares(12)
    assert list_loads() == [3, 3, 3, 3, 0]

    fill_with_shares(2)
    assert list_loads() == [3, 3, 3, 3, 2]


def test_a_spot_has_the_priority_of_its_latest_viewed_chain(listing: Listing) -> None:
    FeedConnection.objects.filter(number__gt=1).update(capacity=0)
    user = make_user("trader1").pk
    claim_chain(listing.series[0], user_id=user, width=3, now=NOW)
    (share,) = make_equities(1)
    claim_instrument(share.pk, user_id=user, now=NOW + timedelta(minutes=1))
    placed = claim_chain(listing.series[0], user_id=make_user("trader2").pk, width=3, now=NOW + timedelta(minutes=2))
    FeedConnection.objects.filter(number=2).update(capacity=7)
    make_live(2)
    lose(1)

    services.fail_over(connection=1, now=NOW)

    assert placed.chain is not None
    assert placed.chain.listing.spot_instrument_id in placed_on(2)
    assert placed_on(1) == [share.pk]
