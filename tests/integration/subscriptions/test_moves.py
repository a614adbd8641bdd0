"""Failover and rebalance on a real PostgreSQL: what moves, what waits, what is on two connections, what is logged."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from subscriptions import selectors, services
from subscriptions.domain.claims import Tier
from subscriptions.models import FeedConnection, Subscription, SubscriptionLog
from tests.factories import NOW, Listing, make_equities, make_user
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument, fill_with_shares, list_loads
from tests.integration.subscriptions.connection_rules import lose, make_live
from tests.integration.subscriptions.invariants import check_invariants

pytestmark = pytest.mark.usefixtures("own_board")


def on(number: int) -> Sequence[int]:
    return sorted(Subscription.objects.filter(connection=number).values_list("instrument_id", flat=True))


def leaving() -> int:
    return Subscription.objects.filter(leaving_connection__isnull=False).count()


@pytest.mark.django_db
def test_a_lost_connection_gives_all_it_carries_to_the_live_ones() -> None:
    fill_with_shares(25)
    make_live(1, 2, 3, 4)
    lose(5)
    carried = on(5)

    report = services.fail_over(connection=5, now=NOW)

    assert (report.moved, report.waiting, report.to) == (5, 0, {1: 2, 2: 1, 3: 1, 4: 1})
    assert list_loads() == [7, 6, 6, 6, 0]
    assert leaving() == 0
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
def test_what_does_not_fit_waits_and_goes_first_tier_b_then_the_latest_viewed() -> None:
    FeedConnection.objects.filter(number__in=[2, 3, 4]).update(capacity=0)
    FeedConnection.objects.filter(number=1).update(capacity=2)
    FeedConnection.objects.filter(number=5).update(capacity=10)
    make_live(1)
    lose(1)  # so that everything is placed on 5, which nobody has lost yet
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
    assert on(1) == sorted([always_on.pk, newest.pk])
    assert on(5) == sorted([viewed.pk, old.pk])


@pytest.mark.django_db
def test_two_workers_that_fire_move_it_once() -> None:
    fill_with_shares(10)
    make_live(1, 2, 3, 4)
    lose(5)

    first, second = (services.fail_over(connection=5, now=NOW) for _ in range(2))

    assert (first.moved, second.moved) == (2, 0)
    assert SubscriptionLog.objects.filter(action="move").count() == 2


@pytest.mark.django_db
def test_one_that_is_back_or_has_nobody_to_go_to_keeps_what_it_has() -> None:
    fill_with_shares(10)
    lose(5)
    assert services.fail_over(connection=5, now=NOW).moved == 0  # nobody is live

    make_live(1, 5)
    assert services.fail_over(connection=5, now=NOW).moved == 0

    assert list_loads() == [2, 2, 2, 2, 2]


@pytest.mark.django_db
def test_a_returned_connection_stays_empty_until_rebalance_levels_with_an_overlap() -> None:
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
    assert leaving() == 5
    assert list_loads() == [7, 6, 6, 6, 5]  # on both while the new one does not stream
    arriving = on(5)
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
def test_rebalance_leaves_a_lost_connection_out() -> None:
    fill_with_shares(20)
    make_live(1, 2, 3, 4)
    lose(5)
    services.fail_over(connection=5, now=NOW)

    assert services.rebalance(actor="operator1", now=NOW).moves == 0
    assert list_loads() == [5, 5, 5, 5, 0]


@pytest.mark.django_db
def test_where_there_is_no_room_for_both_it_leaves_first() -> None:
    FeedConnection.objects.update(capacity=6)
    fill_with_shares(24)
    make_live(1, 2, 3, 4)
    lose(5)
    assert services.fail_over(connection=5, now=NOW).moved == 4
    make_live(5)
    assert list_loads() == [6, 6, 6, 6, 0]
    services.rebalance(actor="operator1", now=NOW)
    assert list_loads() == [6, 6, 6, 6, 4]

    fill_with_shares(6)  # 24 of 30 instruments: there is room, as soon as nothing is on two connections

    assert list_loads() == [6, 6, 6, 6, 6]
    assert leaving() == 0
    check_invariants()


@pytest.mark.django_db
def test_a_move_to_a_connection_that_is_lost_is_undone_and_one_away_from_it_is_done() -> None:
    fill_with_shares(25)
    make_live(1, 2, 3, 4)
    lose(5)
    services.fail_over(connection=5, now=NOW)
    make_live(5)
    services.rebalance(actor="operator1", now=NOW)
    lose(5)

    assert services.fail_over(connection=5, now=NOW).moved == 5
    assert list_loads() == [7, 6, 6, 6, 0]
    assert leaving() == 0

    make_live(5)
    services.rebalance(actor="operator1", now=NOW)
    lose(1)
    assert services.fail_over(connection=1, now=NOW).moved == 5
    assert list_loads()[0] == 0
    assert leaving() == 3  # those that move from 2, 3 and 4
    check_invariants()


@pytest.mark.django_db
def test_new_legs_go_to_a_lost_connection_only_where_nobody_else_has_room() -> None:
    FeedConnection.objects.update(capacity=3)
    make_live(1, 2, 3, 4)
    lose(5)

    fill_with_shares(12)
    assert list_loads() == [3, 3, 3, 3, 0]

    fill_with_shares(2)
    assert list_loads() == [3, 3, 3, 3, 2]


def test_a_spot_is_as_important_as_its_latest_viewed_chain(listing: Listing) -> None:
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
    assert placed.chain.listing.spot_instrument_id in on(2)
    assert on(1) == [share.pk]
