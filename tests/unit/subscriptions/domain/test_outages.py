"""Loss: long enough, while another connection was live throughout as far as this watch has seen."""

from datetime import UTC, datetime, timedelta

from subscriptions.domain.connections import ConnectionStatus
from subscriptions.domain.outages import OutageMonitor
from tests.connection_factories import make_connection

START = datetime(2026, 2, 10, 4, 30, tzinfo=UTC)
GRACE = timedelta(seconds=5)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def live(number: int, *, load: int = 10, epoch: int = 1, capacity: int = 5_000) -> ConnectionStatus:
    return make_connection(number, load=load, capacity=capacity, lease_epoch=epoch)


def lost(number: int, since: float, *, load: int = 10) -> ConnectionStatus:
    return make_connection(number, load=load, lease_epoch=1, is_live=False, lost_since=at(since))


def waiting(number: int) -> ConnectionStatus:
    return make_connection(number, load=10, lease_epoch=1, is_live=False)


def looks(watch: OutageMonitor, connections: list[ConnectionStatus], *, first: int, last: int) -> list[list[int]]:
    """Check once a second, from second `first` to second `last`."""
    return [list(watch.check(connections, now=at(second))) for second in range(first, last + 1)]


def test_a_connection_lost_for_longer_than_the_grace_is_named_from_then_on() -> None:
    watch = OutageMonitor(GRACE)
    watch.check([live(1), live(2)], now=at(0))

    assert looks(watch, [live(1), lost(2, 1)], first=1, last=8) == [[], [], [], [], [], [], [2], [2]]


def test_one_that_is_back_within_the_grace_is_not_lost() -> None:
    watch = OutageMonitor(GRACE)
    watch.check([live(1), live(2)], now=at(0))

    assert looks(watch, [live(1), lost(2, 1)], first=1, last=6) == [[]] * 6
    assert looks(watch, [live(1), live(2)], first=7, last=20) == [[]] * 14


def test_when_all_went_and_some_are_back_nothing_moves() -> None:
    watch = OutageMonitor(GRACE)
    looks(watch, [live(1), live(2)], first=0, last=2)
    looks(watch, [lost(1, 3), lost(2, 3)], first=3, last=20)

    assert looks(watch, [live(1), lost(2, 3)], first=21, last=60) == [[]] * 40


def test_a_new_owner_of_the_other_connection_was_not_live_throughout() -> None:
    watch = OutageMonitor(GRACE)
    looks(watch, [live(1), live(2)], first=0, last=2)
    looks(watch, [live(1), lost(2, 3)], first=3, last=4)

    assert looks(watch, [live(1, epoch=2), lost(2, 3)], first=5, last=30) == [[]] * 26


def test_a_gap_between_checks_forgets_what_was_live() -> None:
    watch = OutageMonitor(GRACE)
    looks(watch, [live(1), live(2)], first=0, last=2)

    assert looks(watch, [live(1), lost(2, 3)], first=20, last=40) == [[]] * 21


def test_a_watch_that_began_after_the_loss_moves_nothing() -> None:
    assert looks(OutageMonitor(GRACE), [live(1), lost(2, -60)], first=0, last=30) == [[]] * 31


def test_waiting_for_an_owner_or_a_turn_is_no_loss() -> None:
    assert looks(OutageMonitor(GRACE), [live(1), waiting(2)], first=0, last=30) == [[]] * 31


def test_an_empty_connection_and_one_without_a_target_stay() -> None:
    full = live(1, load=10, capacity=10)

    assert looks(OutageMonitor(GRACE), [full, lost(2, 1)], first=0, last=10) == [[]] * 11
    assert looks(OutageMonitor(GRACE), [live(1), lost(2, 1, load=0)], first=0, last=10) == [[]] * 11
