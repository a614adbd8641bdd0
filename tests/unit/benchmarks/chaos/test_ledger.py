"""Acknowledged writes against the database and the audit log: each kind of loss is found."""

from collections.abc import Sequence

import pytest

from benchmarks.chaos.ledger import Ledger, LogRow, Outcome, Stored, Target, Write
from benchmarks.chaos.traders import judge_answer

SHARE = Target("RELIANCE", "EQUITY")
KEY = ("asha", SHARE)
ADDED = Write("asha", SHARE, True, 100.0, 100.4, Outcome.ACKNOWLEDGED)
REMOVED = Write("asha", SHARE, False, 110.0, 110.2, Outcome.ACKNOWLEDGED)
LOG_OF_ADD = LogRow(100.1, "subscribe", "asha", "RELIANCE NSE", 1)
LOG_OF_REMOVAL = LogRow(110.1, "unsubscribe", "asha", "RELIANCE NSE", 1)


def broken_rules(writes: Sequence[Write], entries: dict[tuple[str, Target], int], *log: LogRow) -> list[str]:
    return [one.rule for one in Ledger(list(writes)).check(Stored(entries, log), now=200.0)]


def test_stored_and_audited_writes_break_no_rule() -> None:
    assert broken_rules([ADDED], {KEY: 1}, LOG_OF_ADD) == []
    assert broken_rules([ADDED, REMOVED], {}, LOG_OF_ADD, LOG_OF_REMOVAL) == []


def test_a_lost_add_is_found() -> None:
    assert broken_rules([ADDED], {}, LOG_OF_ADD) == ["an acknowledged add is stored"]


def test_an_add_of_another_trader_does_not_count() -> None:
    assert broken_rules([ADDED], {("bela", SHARE): 1}, LOG_OF_ADD) == ["an acknowledged add is stored"]


def test_an_add_without_legs_is_found() -> None:
    assert broken_rules([ADDED], {KEY: 0}, LOG_OF_ADD) == ["an acknowledged add is claimed"]


def test_a_lost_removal_is_found() -> None:
    assert broken_rules([ADDED, REMOVED], {KEY: 1}, LOG_OF_ADD, LOG_OF_REMOVAL) == ["an acknowledged removal is stored"]


@pytest.mark.parametrize(
    "row",
    [
        LogRow(90.0, "subscribe", "asha", "RELIANCE NSE", 1),
        LogRow(100.1, "unsubscribe", "asha", "RELIANCE NSE", 1),
        LogRow(100.1, "subscribe", "bela", "RELIANCE NSE", 1),
        LogRow(100.1, "subscribe", "asha", "TCS NSE", 1),
    ],
)
def test_a_write_without_its_own_row_in_the_log_is_found(row: LogRow) -> None:
    assert broken_rules([ADDED], {KEY: 1}, row) == ["an acknowledged write is audited"]


def test_a_write_that_was_refused_or_never_answered_promises_nothing() -> None:
    refused = Write("asha", SHARE, True, 100.0, 100.4, Outcome.REFUSED)
    unknown = Write("asha", SHARE, True, 100.0, 120.0, Outcome.UNKNOWN)

    assert broken_rules([refused], {}) == broken_rules([unknown], {}) == broken_rules([unknown], {KEY: 1}) == []


def test_an_unanswered_removal_after_an_add_leaves_the_entry_open() -> None:
    unknown = Write("asha", SHARE, False, 110.0, 130.0, Outcome.UNKNOWN)

    assert broken_rules([ADDED, unknown], {}, LOG_OF_ADD) == []
    assert broken_rules([ADDED, unknown], {KEY: 1}) == ["an acknowledged write is audited"]


def test_a_repeated_add_needs_no_row_in_the_log() -> None:
    again = Write("asha", SHARE, True, 150.0, 150.1, Outcome.ACKNOWLEDGED, changes=False)

    assert broken_rules([ADDED, again], {KEY: 1}, LOG_OF_ADD) == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, Outcome.ACKNOWLEDGED),
        (200, Outcome.ACKNOWLEDGED),
        (409, Outcome.REFUSED),
        (503, Outcome.UNKNOWN),
        (None, Outcome.UNKNOWN),
    ],
)
def test_an_answer_proves_what_its_status_says(status: int | None, outcome: Outcome) -> None:
    assert judge_answer(status) is outcome
