from collections.abc import Sequence
from dataclasses import replace

import pytest

from marketdata.domain.feed import ConnectionReport, ConnectionState, Delivery
from marketdata.streaming.feed_status import FeedState, FeedStatus, StreamState, judge_feed

ALL = range(1, 6)


S = ConnectionState


def make_report(state: ConnectionState, *, connection: int = 1, error: str = "") -> ConnectionReport:
    return ConnectionReport(connection, "worker-1", 1, state, 1, 1, 1, 1, 1.0, None, 1, error)


def reports_of(*states: ConnectionState | None) -> dict[int, ConnectionReport]:
    return {number: make_report(state, connection=number) for number, state in enumerate(states, start=1) if state}


def test_five_live_connections_with_recent_frames_are_a_live_feed() -> None:
    feed = judge_feed(reports=reports_of(*[S.LIVE] * 5), last_frame_at=dict.fromkeys(ALL, 99.0), now=100.0)

    assert (feed.state, feed.live_count) == (FeedState.LIVE, 5)


def test_a_live_connection_without_recent_frames_is_silent() -> None:
    received = dict.fromkeys(ALL, 99.0) | {3: 98.3}

    feed = judge_feed(reports=reports_of(*[S.LIVE] * 5), last_frame_at=received, now=100.0)

    assert (feed.state, feed.live_count) == (FeedState.PARTIAL, 4)
    assert feed.connections[2] is StreamState.SILENT


@pytest.mark.parametrize(
    ("delivery", "state"), [(Delivery.SILENT, StreamState.STALE), (Delivery.STARVED, StreamState.STARVED)]
)
def test_a_live_connection_without_the_packets_that_are_due_is_not_live(delivery: Delivery, state: StreamState) -> None:
    frames, deliveries = dict.fromkeys(ALL, 99.0), dict.fromkeys(ALL, Delivery.FLOWING)

    one = judge_feed(
        reports=reports_of(*[S.LIVE] * 5), last_frame_at=frames, now=100.0, deliveries=deliveries | {3: delivery}
    )
    every = judge_feed(
        reports=reports_of(*[S.LIVE] * 5), last_frame_at=frames, now=100.0, deliveries=dict.fromkeys(ALL, delivery)
    )

    assert (one.state, one.live_count, one.connections[2]) == (FeedState.PARTIAL, 4, state)
    assert (every.state, every.live_count) == (FeedState.STALE, 0)


@pytest.mark.parametrize(
    ("lag", "feed_state", "state", "delay"),
    [
        (None, FeedState.LIVE, StreamState.LIVE, 0),
        (3.0, FeedState.LIVE, StreamState.LIVE, 0),
        (8.2, FeedState.DELAYED, StreamState.DELAYED, 8),
        (30.0, FeedState.DELAYED, StreamState.DELAYED, 30),
        (30.1, FeedState.PARTIAL, StreamState.STALE, 0),
    ],
)
def test_a_trade_lag_over_three_seconds_is_delayed_and_over_thirty_stale(
    lag: float | None, feed_state: FeedState, state: StreamState, delay: int
) -> None:
    reports = reports_of(*[S.LIVE] * 5)
    reports[3] = replace(reports[3], trade_lag_seconds=lag)

    feed = judge_feed(reports=reports, last_frame_at=dict.fromkeys(ALL, 99.0), now=100.0)

    assert (feed.state, feed.connections[2], feed.delays[2]) == (feed_state, state, delay)


def test_refused_handshakes_are_reconnecting_while_attempts_continue() -> None:
    waiting = make_report(S.WAITING)

    retrying = judge_feed(reports={1: replace(waiting, is_retrying=True)}, last_frame_at={}, now=100.0)
    for_token = judge_feed(reports={1: waiting}, last_frame_at={}, now=100.0)

    assert (retrying.state, retrying.connections[0]) == (FeedState.RECONNECTING, StreamState.RECONNECTING)
    assert (for_token.state, for_token.connections[0]) == (FeedState.TOKEN, StreamState.TOKEN)


def test_a_lost_connection_whose_instruments_others_carry_is_no_fault_of_the_feed() -> None:
    reports = reports_of(S.LIVE, S.LIVE, S.RECONNECTING, S.LIVE, S.LIVE)
    frames = dict.fromkeys(ALL, 99.0)

    before = judge_feed(reports=reports, last_frame_at=frames, now=100.0)
    after = judge_feed(reports=reports | {3: replace(reports[3], wanted=0)}, last_frame_at=frames, now=100.0)

    assert before.state is FeedState.PARTIAL
    assert (after.state, after.connections[2], after.live_count) == (FeedState.CARRIED, StreamState.CARRIED, 4)


def test_a_frozen_feed_is_stale_within_two_seconds() -> None:
    feed = judge_feed(reports=reports_of(*[S.LIVE] * 5), last_frame_at=dict.fromkeys(ALL, 98.2), now=100.0)

    assert (feed.state, feed.live_count) == (FeedState.STALE, 0)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([None] * 5, FeedState.NO_OWNER),
        ([S.RECONNECTING, None, None, None, None], FeedState.RECONNECTING),
        ([S.OPENING] * 5, FeedState.RECONNECTING),
        ([S.STOPPED] * 5, FeedState.STALE),
        ([S.WAITING] * 5, FeedState.TOKEN),
        ([S.MUTE] * 5, FeedState.RECONNECTING),
        ([S.FAILED_OVER, S.STOPPED, S.STOPPED, S.STOPPED, S.STOPPED], FeedState.RECONNECTING),
        ([S.SUBSCRIBING] * 5, FeedState.RECONNECTING),
    ],
)
def test_a_feed_without_a_live_connection_shows_the_cause(
    states: list[ConnectionState | None], state: FeedState
) -> None:
    feed = judge_feed(reports=reports_of(*states), last_frame_at={}, now=100.0)

    assert (feed.state, feed.live_count) == (state, 0)


def test_frames_without_a_report_are_not_live() -> None:
    feed = judge_feed(reports=reports_of(S.LIVE), last_frame_at=dict.fromkeys(ALL, 99.9), now=100.0)

    assert feed.connections == (StreamState.LIVE, *[StreamState.OPENING] * 4)
    assert (feed.state, feed.live_count) == (FeedState.PARTIAL, 1)


def test_a_lost_bus_is_reported_even_with_recent_frames() -> None:
    feed = judge_feed(reports=None, last_frame_at=dict.fromkeys(ALL, 99.9), now=100.0)

    assert feed.state is FeedState.BUS_LOST


def test_the_error_of_an_owner_is_forwarded() -> None:
    feed = judge_feed(
        reports={2: make_report(S.RECONNECTING, connection=2, error="code 805")}, last_frame_at={}, now=1.0
    )

    assert feed.errors == ("", "code 805", "", "", "")


@pytest.mark.parametrize("state", ConnectionState)
def test_every_state_of_an_owner_has_a_status_for_browsers(state: ConnectionState) -> None:
    feed = judge_feed(reports=reports_of(state), last_frame_at={1: 99.9}, now=100.0)

    assert (feed.connections[0] is StreamState.LIVE) == (state is ConnectionState.LIVE)


@pytest.mark.parametrize(
    ("before", "after", "is_more"),
    [
        ([StreamState.STALE, StreamState.LIVE], [StreamState.LIVE, StreamState.STALE], True),
        ([StreamState.RECONNECTING, StreamState.LIVE], [StreamState.STARVED, StreamState.LIVE], True),
        ([StreamState.LIVE, StreamState.LIVE], [StreamState.DELAYED, StreamState.STARVED], False),
        ([StreamState.LIVE, StreamState.LIVE], [StreamState.STALE, StreamState.CARRIED], False),
    ],
)
def test_a_status_makes_rows_live_if_a_connection_without_live_rows_gets_some(
    before: Sequence[StreamState], after: Sequence[StreamState], *, is_more: bool
) -> None:
    statuses = [FeedStatus(FeedState.PARTIAL, tuple(states), ("", "")) for states in (before, after)]

    assert statuses[1].makes_rows_live(statuses[0]) is is_more
    assert statuses[1].makes_rows_live(None) is any(
        one not in {StreamState.STALE, StreamState.CARRIED} for one in after
    )
