from collections.abc import Mapping

from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.feed_statistics import FeedStatistics
from marketdata.streaming.reconnects import NEW_OWNER, Reconnect, ReconnectTracker

LIVE, LOST = ConnectionState.LIVE, ConnectionState.RECONNECTING


def make_report(
    state: ConnectionState = LIVE, *, connection: int = 3, epoch: int = 1, reconnects: Mapping[str, int] | None = None
) -> ConnectionReport:
    statistics = FeedStatistics(reconnects=reconnects or {"mute": 0, "network": 2})
    return ConnectionReport(connection, "worker", epoch, state, 1, 1, 1, 1, 1.0, None, 1, "", statistics=statistics)


def note(tracker: ReconnectTracker, *reports: ConnectionReport, now_ms: int) -> None:
    tracker.note({one.connection: one for one in reports}, now_ms=now_ms)


def test_a_reconnect_has_the_time_at_which_the_connection_was_live_again_and_the_cause_of_its_loss() -> None:
    tracker = ReconnectTracker()
    note(tracker, make_report(), now_ms=1_000)
    note(tracker, make_report(LOST, reconnects={"mute": 1, "network": 2}), now_ms=2_000)
    assert tracker.last is None

    note(tracker, make_report(LIVE, reconnects={"mute": 1, "network": 2}), now_ms=3_000)

    assert tracker.last == Reconnect(3_000, 3, "mute")


def test_a_loss_that_no_report_showed_is_known_by_its_count() -> None:
    tracker = ReconnectTracker()
    note(tracker, make_report(), make_report(connection=4), now_ms=1_000)

    note(tracker, make_report(), make_report(connection=4, reconnects={"mute": 0, "network": 3}), now_ms=2_000)

    assert tracker.last == Reconnect(2_000, 4, "network")


def test_another_owner_of_a_connection_is_a_cause() -> None:
    tracker = ReconnectTracker()
    note(tracker, make_report(epoch=7, reconnects={"mute": 4}), now_ms=1_000)

    note(tracker, make_report(epoch=8, reconnects={"mute": 0}), now_ms=2_000)

    assert tracker.last == Reconnect(2_000, 3, NEW_OWNER)


def test_the_first_reports_of_a_process_are_no_reconnect() -> None:
    tracker = ReconnectTracker()
    note(tracker, make_report(LOST, reconnects={"mute": 9}), now_ms=1_000)

    note(tracker, make_report(LIVE, reconnects={"mute": 9}), now_ms=2_000)

    assert tracker.last is None
