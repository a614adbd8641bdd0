"""The table of ownership rules: complete, safe, and equal to that of docs/architecture.md."""

import re
from pathlib import Path

import pytest

from subscriptions.domain.ownership import ACTIONS, Action, LeaseState, LockState, ProcessStatus

ROOT = Path(__file__).resolve().parents[4]
ROW = r"^\| (\w+) \| (\w+) \| ([a-z ]+) \| ([a-z ]+) \|$"
OTHERS = {LeaseState.CURRENT, LeaseState.UNPROVEN, LeaseState.SILENT}


def test_every_combination_has_one_action() -> None:
    assert set(ACTIONS) == {
        (lock, lease, process) for lock in LockState for lease in LeaseState for process in ProcessStatus
    }


def test_the_table_in_the_documents_equals_that_in_the_code() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawn = {}
    for lease, process, free, taken in re.findall(ROW, text, re.MULTILINE):
        for one in ProcessStatus if process == "any" else [ProcessStatus(process)]:
            drawn[LockState.FREE, LeaseState(lease), one] = Action(free)
            drawn[LockState.TAKEN, LeaseState(lease), one] = Action(taken)

    assert drawn == dict(ACTIONS)


def test_only_the_database_session_of_a_silent_owner_is_ended_and_an_owned_lock_is_never_ignored() -> None:
    ending = {lease for (_, lease, _), action in ACTIONS.items() if action is Action.END_SESSION}

    assert ending == {LeaseState.SILENT}
    while_taken = {action for (lock, _, _), action in ACTIONS.items() if lock is LockState.TAKEN}
    assert Action.TAKE_OVER not in while_taken


@pytest.mark.parametrize("lease", sorted(OTHERS - {LeaseState.SILENT}))
def test_a_running_process_stays_the_owner_and_a_dead_one_does_not(lease: LeaseState) -> None:
    assert ACTIONS[LockState.FREE, lease, ProcessStatus.RUNNING] is Action.WAIT
    assert ACTIONS[LockState.FREE, lease, ProcessStatus.GONE] is Action.TAKE_OVER


def test_an_ended_database_session_of_another_host_counts_unless_the_server_ended_all() -> None:
    assert ACTIONS[LockState.FREE, LeaseState.CURRENT, ProcessStatus.ELSEWHERE] is Action.TAKE_OVER
    assert ACTIONS[LockState.FREE, LeaseState.UNPROVEN, ProcessStatus.ELSEWHERE] is Action.WAIT


@pytest.mark.parametrize("process", ProcessStatus)
def test_an_owner_that_is_silent_beyond_the_brokers_limit_has_no_socket(process: ProcessStatus) -> None:
    assert ACTIONS[LockState.FREE, LeaseState.SILENT, process] is Action.TAKE_OVER
