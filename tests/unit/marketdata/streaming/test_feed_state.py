import pytest

from marketdata.streaming.feed_state import FeedWord, LineState, Report, judge_feed

ALL = range(1, 6)


def reports_of(*states: str) -> dict[int, Report]:
    return {number: Report(state, "") for number, state in enumerate(states, start=1) if state}


def test_five_live_connections_that_are_heard_are_a_live_feed() -> None:
    feed = judge_feed(reports=reports_of(*["live"] * 5), last_frame_at=dict.fromkeys(ALL, 99.0), now=100.0)

    assert (feed.word, feed.live_count) == (FeedWord.LIVE, 5)


def test_a_connection_that_says_live_and_sends_nothing_is_silent() -> None:
    heard = dict.fromkeys(ALL, 99.0) | {3: 98.3}

    feed = judge_feed(reports=reports_of(*["live"] * 5), last_frame_at=heard, now=100.0)

    assert (feed.word, feed.live_count) == (FeedWord.PARTIAL, 4)
    assert feed.lines[2].state is LineState.SILENT


def test_a_frozen_feed_is_stale_within_two_seconds() -> None:
    feed = judge_feed(reports=reports_of(*["live"] * 5), last_frame_at=dict.fromkeys(ALL, 98.2), now=100.0)

    assert (feed.word, feed.live_count) == (FeedWord.STALE, 0)


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (["", "", "", "", ""], FeedWord.NO_OWNER),
        (["reconnecting", "", "", "", ""], FeedWord.RECONNECTING),
        (["opening"] * 5, FeedWord.RECONNECTING),
        (["stopped"] * 5, FeedWord.STALE),
        (["waiting"] * 5, FeedWord.STALE),
        (["mute"] * 5, FeedWord.RECONNECTING),
        (["failed_over", "stopped", "stopped", "stopped", "stopped"], FeedWord.RECONNECTING),
        (["subscribing"] * 5, FeedWord.RECONNECTING),
    ],
)
def test_a_feed_without_a_live_connection_says_why(states: list[str], word: FeedWord) -> None:
    feed = judge_feed(reports=reports_of(*states), last_frame_at={}, now=100.0)

    assert (feed.word, feed.live_count) == (word, 0)


def test_frames_without_a_report_are_not_live() -> None:
    feed = judge_feed(reports=reports_of("live"), last_frame_at=dict.fromkeys(ALL, 99.9), now=100.0)

    assert [line.state for line in feed.lines] == [LineState.LIVE] + [LineState.OPENING] * 4
    assert (feed.word, feed.live_count) == (FeedWord.PARTIAL, 1)


def test_a_lost_bus_is_said_even_while_the_last_frames_are_young() -> None:
    feed = judge_feed(reports=None, last_frame_at=dict.fromkeys(ALL, 99.9), now=100.0)

    assert feed.word is FeedWord.BUS_LOST


def test_the_error_of_an_owner_is_passed_on() -> None:
    feed = judge_feed(reports={2: Report("reconnecting", "code 805")}, last_frame_at={}, now=1.0)

    assert [line.error for line in feed.lines] == ["", "code 805", "", "", ""]
