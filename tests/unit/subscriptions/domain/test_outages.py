"""An outage: a connection lost for longer than the grace period while another was observed live throughout."""

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


def check_each_second(
    monitor: OutageMonitor, connections: list[ConnectionStatus], *, first: int, last: int
) -> list[list[int]]:
    """Check once a second, from second `first` to second `last`."""
    return [list(monitor.check(connections, now=at(second))) for second in range(first, last + 1)]


def test_a_connection_lost_for_longer_than_the_grace_period_is_an_outage() -> None:
    monitor = OutageMonitor(GRACE)
    monitor.check([live(1), live(2)], now=at(0))

    assert check_each_second(monitor, [live(1), lost(2, 1)], first=1, last=8) == [[], [], [], [], [], [], [2], [2]]


def test_a_connection_that_returns_within_the_grace_period_is_no_outage() -> None:
    monitor = OutageMonitor(GRACE)
    monitor.check([live(1), live(2)], now=at(0))

    assert check_each_second(monitor, [live(1), lost(2, 1)], first=1, last=6) == [[]] * 6
    assert check_each_second(monitor, [live(1), live(2)], first=7, last=20) == [[]] * 14


def test_after_a_loss_of_all_connections_one_is_an_outage_only_long_after_the_return_of_another() -> None:
    monitor = OutageMonitor(GRACE)
    check_each_second(monitor, [live(1), live(2)], first=0, last=2)
    check_each_second(monitor, [lost(1, 3), lost(2, 3)], first=3, last=20)

    assert check_each_second(monitor, [live(1), lost(2, 3)], first=21, last=37) == [[]] * 16 + [[2]]


def test_a_connection_with_a_new_owner_does_not_count_as_live_throughout() -> None:
    monitor = OutageMonitor(GRACE)
    check_each_second(monitor, [live(1), live(2)], first=0, last=2)
    check_each_second(monitor, [live(1), lost(2, 3)], first=3, last=4)

    assert check_each_second(monitor, [live(1, epoch=2), lost(2, 3)], first=5, last=20) == [[]] * 16


def test_a_gap_between_checks_resets_the_observed_connections() -> None:
    monitor = OutageMonitor(GRACE)
    check_each_second(monitor, [live(1), live(2)], first=0, last=2)

    assert check_each_second(monitor, [live(1), lost(2, 3)], first=20, last=35) == [[]] * 16


def test_a_monitor_that_starts_after_the_loss_knows_of_no_other_that_stayed() -> None:
    assert check_each_second(OutageMonitor(GRACE), [live(1), lost(2, -60)], first=0, last=16) == [[]] * 16 + [[2]]


def test_a_connection_that_waits_for_an_owner_or_a_turn_is_no_outage() -> None:
    assert check_each_second(OutageMonitor(GRACE), [live(1), waiting(2)], first=0, last=30) == [[]] * 31


def test_an_empty_connection_and_one_without_a_target_are_no_outage() -> None:
    full = live(1, load=10, capacity=10)

    assert check_each_second(OutageMonitor(GRACE), [full, lost(2, 1)], first=0, last=10) == [[]] * 11
    assert check_each_second(OutageMonitor(GRACE), [live(1), lost(2, 1, load=0)], first=0, last=10) == [[]] * 11
