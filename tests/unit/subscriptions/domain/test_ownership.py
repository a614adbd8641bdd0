"""Whether a free lock is enough to take a connection from the owner that its lease names."""

import pytest

from subscriptions.domain.ownership import FormerOwner, ProcessStatus, may_take_from

ANY = [ProcessStatus.GONE, ProcessStatus.RUNNING, ProcessStatus.ELSEWHERE]


def former(*, is_long_silent: bool = False, was_heard: bool = True) -> FormerOwner:
    return FormerOwner("host:1:2:ab", is_long_silent, was_heard)


@pytest.mark.parametrize("was_heard", [True, False])
def test_a_process_that_is_gone_needs_its_connection_no_more(was_heard: bool) -> None:
    assert may_take_from(former(was_heard=was_heard), ProcessStatus.GONE)


@pytest.mark.parametrize("was_heard", [True, False])
def test_a_process_that_is_seen_to_run_on_keeps_its_connection(was_heard: bool) -> None:
    assert not may_take_from(former(was_heard=was_heard), ProcessStatus.RUNNING)


@pytest.mark.parametrize("was_heard", [True, False])
def test_of_a_process_elsewhere_the_end_of_its_session_tells_unless_the_server_ended_them_all(was_heard: bool) -> None:
    assert may_take_from(former(was_heard=was_heard), ProcessStatus.ELSEWHERE) is was_heard


@pytest.mark.parametrize("presence", ANY)
def test_who_has_been_silent_for_longer_than_the_broker_bears_has_no_socket(presence: ProcessStatus) -> None:
    assert may_take_from(former(is_long_silent=True, was_heard=False), presence)
