import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.disconnects import Reaction
from marketdata.domain.feed import ConnectionState as State
from subscriptions.domain.connection_life import (
    FOLLOWS,
    Attempts,
    Disconnect,
    DisconnectCause,
    RetryPlan,
    SocketLifetime,
    may_follow,
)

ROOT = Path(__file__).resolve().parents[4]
CUT = Disconnect(Reaction.COME_BACK, "dropped")
MUTE = Disconnect(Reaction.COME_BACK, "mute", DisconnectCause.MUTE)
BRIEF = SocketLifetime(0.1, is_heard=False)
SHORT = SocketLifetime(12.0, is_heard=True)
LONG = SocketLifetime(3_600.0, is_heard=True)


def follow(
    attempts: Attempts, *disconnects: Disconnect, lifetime: SocketLifetime | None = None, chance: float = 1.0
) -> list[RetryPlan]:
    return [attempts.after(disconnect, lifetime, chance=chance) for disconnect in disconnects]


def test_every_state_is_in_the_graph_and_can_be_left_and_reached() -> None:
    assert set(FOLLOWS) == set(State)
    assert all(FOLLOWS.values())
    assert set().union(*FOLLOWS.values()) == set(State)


def test_the_diagram_in_the_documents_equals_the_graph() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+)", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)

    assert sorted(drawn) == sorted((before.value, one.value) for before, after in FOLLOWS.items() for one in after)


def test_every_state_can_change_to_a_new_socket_or_a_new_owner() -> None:
    for state in set(State) - {State.WANTED, State.OPENING, State.SUBSCRIBING, State.LIVE}:
        assert State.OPENING in FOLLOWS[state]
    assert all(may_follow(state, State.WANTED) for state in State)


@pytest.mark.parametrize(
    "path",
    [
        [State.WANTED, State.OPENING, State.SUBSCRIBING, State.LIVE, State.WANTED],
        [State.LIVE, State.MUTE, State.OPENING, State.SUBSCRIBING, State.MUTE],
        [State.LIVE, State.RECONNECTING, State.FAILED_OVER, State.OPENING],
        [State.OPENING, State.WAITING, State.OPENING],
        [State.SUBSCRIBING, State.STOPPED, State.OPENING],
    ],
)
def test_known_paths_consist_of_edges(path: list[State]) -> None:
    assert all(may_follow(before, after) for before, after in pairwise(path))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (State.WANTED, State.LIVE),
        (State.OPENING, State.LIVE),
        (State.RECONNECTING, State.LIVE),
        (State.LIVE, State.OPENING),
        (State.LIVE, State.SUBSCRIBING),
        (State.STOPPED, State.SUBSCRIBING),
        (State.WAITING, State.RECONNECTING),
    ],
)
def test_no_state_is_live_without_an_opening(before: State, after: State) -> None:
    assert not may_follow(before, after)


@pytest.mark.parametrize(
    ("reaction", "expected"),
    [
        (Reaction.COME_BACK, RetryPlan(State.RECONNECTING, 2.0)),
        (Reaction.WAIT, RetryPlan(State.RECONNECTING, 0.0)),
        (Reaction.STOP_ALL, RetryPlan(State.RECONNECTING, 0.0)),
        (Reaction.LOG_IN_AGAIN, RetryPlan(State.WAITING, None)),
        (Reaction.DOUBT, RetryPlan(State.WAITING, 120.0)),
        (Reaction.STOP, RetryPlan(State.STOPPED, None)),
        (Reaction.FIX_PLAN, RetryPlan(State.STOPPED, None)),
    ],
)
def test_each_reaction_has_its_state_and_its_delay(reaction: Reaction, expected: RetryPlan) -> None:
    assert follow(Attempts(), Disconnect(reaction, "said")) == [expected]


def test_delays_grow_with_failures_and_a_good_socket_resets_them() -> None:
    attempts = Attempts()

    assert [one.delay_seconds for one in follow(attempts, CUT, CUT, CUT)] == [2.0, 4.0, 8.0]
    assert [one.delay_seconds for one in follow(attempts, CUT, lifetime=SHORT)] == [2.0]


def test_refused_turns_are_counted_and_lost_sockets_are_not() -> None:
    attempts = Attempts()

    follow(attempts, CUT, CUT)
    assert attempts.failed_turns == 2
    follow(attempts, Disconnect(Reaction.WAIT, "429"), Disconnect(Reaction.LOG_IN_AGAIN, "807"))
    assert attempts.failed_turns == 4
    attempts.opened()
    follow(attempts, CUT, lifetime=LONG)
    assert attempts.failed_turns == 0


def test_a_wait_is_one_failed_turn() -> None:
    attempts = Attempts()

    attempts.note_waiting()
    attempts.note_waiting()

    assert attempts.failed_turns == 1


@pytest.mark.parametrize("reaction", [Reaction.LOG_IN_AGAIN, Reaction.STOP])
def test_a_good_socket_that_ends_until_new_credentials_is_a_failed_turn(reaction: Reaction) -> None:
    attempts = Attempts()

    follow(attempts, Disconnect(reaction, "807 or 808"), lifetime=LONG)

    assert attempts.failed_turns == 1


def test_a_refusal_of_too_many_instruments_is_no_loss() -> None:
    attempts = Attempts()

    follow(attempts, CUT, Disconnect(Reaction.FIX_PLAN, "too many"))

    assert attempts.failed_turns == 0


def test_a_second_mute_socket_has_a_longer_delay_and_is_a_failed_turn() -> None:
    attempts = Attempts()

    first, second, third = follow(attempts, MUTE, MUTE, MUTE, lifetime=SHORT)

    assert (first, second, third) == (
        RetryPlan(State.MUTE, 2.0),
        RetryPlan(State.MUTE, 60.0),
        RetryPlan(State.MUTE, 120.0),
    )
    assert attempts.failed_turns == 2


def test_a_mute_socket_after_a_long_good_lifetime_counts_as_the_first() -> None:
    attempts = Attempts()
    follow(attempts, MUTE, MUTE, lifetime=SHORT)
    attempts.opened()

    assert follow(attempts, MUTE, lifetime=LONG) == [RetryPlan(State.MUTE, 2.0)]
    assert attempts.failed_turns == 0


@pytest.mark.parametrize(
    ("disconnect", "lifetime"),
    [(CUT, BRIEF), (Disconnect(Reaction.COME_BACK, "400", DisconnectCause.BROKER, is_doubtful=True), None)],
)
def test_after_three_consecutive_doubtful_refusals_the_connection_waits_for_a_token(
    disconnect: Disconnect, lifetime: SocketLifetime | None
) -> None:
    states = [one.state for one in follow(Attempts(), disconnect, disconnect, disconnect, lifetime=lifetime)]

    assert states == [State.RECONNECTING, State.RECONNECTING, State.WAITING]


def test_an_unreachable_broker_raises_no_doubt_about_the_token() -> None:
    assert {one.state for one in follow(Attempts(), *[CUT] * 10)} == {State.RECONNECTING}


DISCONNECTS = st.builds(
    Disconnect, st.sampled_from(Reaction), st.just("said"), st.sampled_from(DisconnectCause), is_doubtful=st.booleans()
)
LIFETIMES = st.none() | st.builds(SocketLifetime, st.floats(0, 1e6), is_heard=st.booleans())


@given(st.lists(st.tuples(DISCONNECTS, LIFETIMES), max_size=30), st.floats(0, 1))
def test_every_sequence_of_disconnects_follows_the_graph(
    lost: list[tuple[Disconnect, SocketLifetime | None]], chance: float
) -> None:
    attempts = Attempts()
    for disconnect, lifetime in lost:
        before = State.OPENING if lifetime is None else State.SUBSCRIBING
        follows = attempts.after(disconnect, lifetime, chance=chance)
        if lifetime is not None or disconnect.cause is not DisconnectCause.MUTE:  # Only a socket can be mute.
            assert may_follow(before, follows.state)
        assert may_follow(follows.state, State.OPENING)
