"""The state of a connection: from its owner's report, without one from its row."""

import pytest

from marketdata.domain.feed import ConnectionState
from tests.connection_factories import make_connection, make_report


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("live", "wanted"),
        ("opening", "wanted"),
        ("subscribing", "wanted"),
        ("mute", "wanted"),
        ("stopped", "stopped"),
        ("waiting", "waiting"),
    ],
)
def test_without_an_owner_a_state_that_needs_one_is_shown_as_wanted(recorded: str, shown: str) -> None:
    connection = make_connection(recorded_state=ConnectionState(recorded)).with_report(None)

    assert connection.state is ConnectionState(shown)
    assert (connection.sent, connection.streaming) == (0, 0)


def test_without_reports_the_recorded_state_is_shown_and_counts_are_unknown() -> None:
    connection = make_connection(recorded_state=ConnectionState.OPENING, recorded_error="code 805")

    assert connection.state is ConnectionState.OPENING
    assert (connection.sent, connection.streaming) == (None, None)
    assert (connection.owner, connection.epoch, connection.last_error) == ("feed@host", 6, "code 805")


def test_a_report_takes_precedence_over_the_row() -> None:
    report = make_report(state=ConnectionState.MUTE, owner="feed@other", last_error="mute for 10 s")

    connection = make_connection(recorded_error="code 805").with_report(report)

    assert connection.state is ConnectionState.MUTE
    assert (connection.sent, connection.streaming) == (100, 90)
    assert (connection.owner, connection.epoch, connection.last_error) == ("feed@other", 7, "mute for 10 s")


@pytest.mark.parametrize(
    ("reported", "shown"),
    [("reconnecting", "failed_over"), ("opening", "failed_over"), ("subscribing", "subscribing"), ("live", "live")],
)
def test_a_connection_is_failed_over_until_its_socket_subscribes(reported: str, shown: str) -> None:
    report = make_report(state=ConnectionState(reported))

    connection = make_connection(recorded_state=ConnectionState.FAILED_OVER).with_report(report)

    assert connection.state is ConnectionState(shown)
