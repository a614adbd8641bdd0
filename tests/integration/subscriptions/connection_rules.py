"""Rules of connections for the state machine: loss and return of owners, moves of instruments, repair of rows."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from subscriptions import selectors, services
from subscriptions.models import ClaimLeg, FeedConnection, FeedLease, Subscription

numbers = st.integers(1, 5)


def make_live(*connections: int) -> None:
    """Give these connections an owner and the state live for the rest of the test."""
    FeedConnection.objects.filter(number__in=connections).update(state="live", lost_since=None)
    FeedLease.objects.filter(connection__in=connections).update(
        owner="a worker", epoch=1, expires_at=timezone.now() + timedelta(minutes=60)
    )


def lose(number: int) -> None:
    """Let the lease of a connection have expired 5 seconds ago."""
    FeedLease.objects.filter(connection=number).update(
        owner="a killed worker", expires_at=timezone.now() - timedelta(seconds=5)
    )


class ConnectionRules(RuleBasedStateMachine):
    """Events of connections and the services that react to them."""

    tick: Callable[[], datetime]
    placed_at: dict[int, int]

    @rule(number=numbers)
    def crash_owner(self, number: int) -> None:
        lose(number)

    @rule(number=numbers)
    def return_owner(self, number: int) -> None:
        make_live(number)

    @rule(number=numbers)
    def fail_over(self, number: int) -> None:
        before = self.note_placement()
        report = services.fail_over(connection=number, now=self.tick())
        after = self.note_placement()
        assert before.keys() == after.keys()
        assert all(after[one] == place for one, place in before.items() if place != number)
        connections = selectors.list_connections()
        left = [one for one, place in after.items() if place == number]
        if report.to is not None and left:
            assert all(one.load == one.capacity for one in connections if one.is_live)
            assert report.waiting == len(left)

    @rule()
    def rebalance(self) -> None:
        before = self.note_placement()
        done = services.rebalance(actor="operator1", now=self.tick())
        after = self.note_placement()
        assert before.keys() == after.keys()
        assert sum(after[one] != place for one, place in before.items()) == done.moves
        carried = done.after.values()
        assert max(carried, default=0) - min(carried, default=0) <= 1
        assert sum(done.before.values()) == sum(carried)

    @rule(number=numbers)
    def finish_moves(self, number: int) -> None:
        wanted = [one.instrument_id for one in selectors.list_wanted(connection=number) if one.is_arriving]
        assert services.finish_moves(connection=number, instrument_ids=wanted, now=self.tick()) == len(wanted)

    @rule()
    def repair_without_differences(self) -> None:
        found = services.check(repair=True, actor="operator1", now=self.tick())
        assert [str(one) for one in found if one.is_repaired] == []

    @precondition(lambda _: ClaimLeg.objects.exists())
    @rule(position=st.integers(0, 500))
    def lose_a_leg_and_repair(self, position: int) -> None:
        held = set(ClaimLeg.objects.values_list("claim_id", "subscription_id"))
        legs = list(ClaimLeg.objects.order_by("pk"))
        legs[position % len(legs)].delete()
        found = services.check(repair=True, actor="operator1", now=self.tick())
        assert len([one for one in found if one.is_repaired]) in {
            1,
            2,
        }  # the leg, and perhaps the tier that depends on it
        assert set(ClaimLeg.objects.values_list("claim_id", "subscription_id")) == held

    def note_placement(self) -> dict[int, int]:
        """Record and return the placement; later steps may change it only by an explicit move."""
        self.placed_at = dict(Subscription.objects.values_list("pk", "connection_id"))
        return self.placed_at
