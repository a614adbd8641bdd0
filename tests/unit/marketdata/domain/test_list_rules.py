"""Rules that decide whether an instrument file may replace the list: each bound, from both sides."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentType
from marketdata.domain.list_rules import (
    FileFacts,
    Finding,
    Group,
    GroupChange,
    LastFile,
    ListRule,
    LostIndex,
    SkipReason,
    is_covered,
    judge,
)

TODAY = date(2026, 2, 10)
STOCK_OPTIONS = Group(Exchange.NSE, ExchangeSegment.NSE_FNO, InstrumentType.OPTSTK)
COMMODITY_OPTIONS = Group(Exchange.MCX, ExchangeSegment.MCX_COMM, InstrumentType.OPTFUT)
SHARES = Group(Exchange.NSE, ExchangeSegment.NSE_EQ, InstrumentType.EQUITY)
LAST = LastFile(as_of=date(2026, 2, 9), skipped={SkipReason.EXPIRED: 100, SkipReason.NO_FEED_SEGMENT: 2_000})


def make_group(group: Group = STOCK_OPTIONS, /, *, listed: int = 1_000, **counts: int) -> GroupChange:
    """Return a group of which everything listed is in the file, unless `counts` state otherwise."""
    whole = dict.fromkeys(("remaining", "kept", "same_key", "same_contract"), listed)
    return GroupChange(group, listed=listed, **{**whole, **counts})


def make_facts(*groups: GroupChange, skipped: Mapping[SkipReason, int] = LAST.skipped, **values: Any) -> FileFacts:
    given: dict[str, Any] = {"as_of": TODAY, "rows_read": 10_000, "last": LAST, "contracts": 5_000, **values}
    return FileFacts(skipped=skipped, groups=groups or (make_group(),), **given)


def found(facts: FileFacts) -> list[tuple[ListRule, str, int, int]]:
    return [(one.rule, one.subject, one.before, one.after) for one in judge(facts)]


def test_a_file_with_the_same_rows_has_no_findings() -> None:
    assert judge(make_facts(make_group(), make_group(COMMODITY_OPTIONS), make_group(SHARES))) == []


@pytest.mark.parametrize(
    ("listed", "remaining", "kept", "is_refused"),
    [
        (1_000, 950, 950, False),
        (1_000, 949, 949, True),
        (1_000, 949, 2_000, True),  # new rows do not replace those that vanished
        (6, 4, 4, False),
        (6, 3, 3, True),
        (2, 0, 0, True),
        (1, 0, 0, True),
        (1, 0, 1, False),
        (0, 0, 0, False),
        (0, 0, 500, False),
    ],
)
def test_a_group_may_lose_a_few_rows_but_never_all(listed: int, remaining: int, kept: int, is_refused: bool) -> None:
    group = GroupChange(STOCK_OPTIONS, listed=listed, remaining=remaining, kept=kept)

    expected = [(ListRule.FEWER_ROWS, "NSE NSE_FNO OPTSTK", listed, remaining)] if is_refused else []
    assert found(make_facts(group)) == expected


def test_the_sentence_of_a_group_names_both_counts_and_the_new_rows() -> None:
    (fewer,) = judge(make_facts(make_group(listed=89_550, remaining=59_700, kept=61_000)))

    assert fewer.sentence == "NSE NSE_FNO OPTSTK fell from 89,550 to 59,700 rows, besides 1,300 new ones."


@pytest.mark.parametrize(
    ("reason", "count", "is_refused"),
    [
        (SkipReason.EXPIRED, 100 + 200, False),
        (SkipReason.EXPIRED, 100 + 201, True),
        (SkipReason.NO_FEED_SEGMENT, 2_000 + 1_000, False),
        (SkipReason.NO_FEED_SEGMENT, 2_000 + 1_001, True),
        (SkipReason.UNKNOWN_TYPE, 200, False),
        (SkipReason.UNKNOWN_TYPE, 201, True),
        (SkipReason.TEST, 101, True),
        (SkipReason.NO_IST_DAY, 10, False),
        (SkipReason.NO_IST_DAY, 11, True),
        (SkipReason.MALFORMED, 50, False),
        (SkipReason.MALFORMED, 51, True),
        (SkipReason.SECOND_ID, 501, True),
        (SkipReason.REPEATED, 9_000, False),
    ],
)
def test_each_skip_reason_has_its_own_bound_against_the_last_file(
    reason: SkipReason, count: int, is_refused: bool
) -> None:
    before = LAST.skipped.get(reason, 0)

    expected = [(ListRule.SKIPPED_ROWS, reason.value, before, count)] if is_refused else []
    assert found(make_facts(skipped={**LAST.skipped, reason: count})) == expected


@pytest.mark.parametrize(
    ("reason", "most"),
    [
        (SkipReason.EXPIRED, 5_000),
        (SkipReason.NO_FEED_SEGMENT, 5_000),
        (SkipReason.UNKNOWN_TYPE, 500),
        (SkipReason.TEST, 100),
        (SkipReason.NO_IST_DAY, 10),
        (SkipReason.MALFORMED, 100),
        (SkipReason.SECOND_ID, 500),
    ],
)
def test_the_first_file_of_a_source_has_bounds_too(reason: SkipReason, most: int) -> None:
    assert found(make_facts(skipped={reason: most}, last=None)) == []
    assert found(make_facts(skipped={reason: most + 1}, last=None)) == [
        (ListRule.SKIPPED_ROWS, reason.value, 0, most + 1)
    ]


def test_contracts_that_ended_since_may_be_in_the_file_as_expired() -> None:
    assert found(make_facts(skipped={**LAST.skipped, SkipReason.EXPIRED: 3_300}, ended=3_000)) == []
    assert found(make_facts(skipped={**LAST.skipped, SkipReason.EXPIRED: 3_301}, ended=3_000)) != []


@pytest.mark.parametrize(
    ("counts", "finding"),
    [
        ({"past_expiry": 0}, None),
        ({"past_expiry": 1}, (ListRule.PAST_EXPIRY, 1_000, 1)),
        ({"scaled_strikes": 2}, None),
        ({"scaled_strikes": 3}, (ListRule.SCALED_STRIKES, 1_000, 997)),
        ({"swapped_types": 2}, None),
        ({"swapped_types": 3}, (ListRule.SWAPPED_OPTION_TYPES, 1_000, 997)),
        ({"changed_lots": 500}, None),
        ({"changed_lots": 501}, (ListRule.CHANGED_LOTS, 1_000, 499)),
        ({"changed_ticks": 500}, None),
        ({"changed_ticks": 501}, (ListRule.CHANGED_TICKS, 1_000, 499)),
    ],
)
def test_rows_that_changed_are_judged_by_group(
    counts: dict[str, int], finding: tuple[ListRule, int, int] | None
) -> None:
    expected = [] if finding is None else [(finding[0], "NSE NSE_FNO OPTSTK", *finding[1:])]

    assert found(make_facts(make_group(**counts))) == expected


@pytest.mark.parametrize(("lots", "is_refused"), [(1, False), (2, False), (3, True)])
def test_a_group_of_a_few_rows_may_change_its_lots(lots: int, is_refused: bool) -> None:
    assert bool(found(make_facts(make_group(listed=3, changed_lots=lots)))) is is_refused


@pytest.mark.parametrize(
    ("at_nse", "at_mcx", "is_refused"), [(1_000, 1_000, True), (501, 501, True), (1_000, 500, False), (0, 1_000, False)]
)
def test_expiries_are_shifted_only_where_every_exchange_is(at_nse: int, at_mcx: int, is_refused: bool) -> None:
    groups = [make_group(day_earlier=at_nse), make_group(COMMODITY_OPTIONS, day_earlier=at_mcx), make_group(SHARES)]

    expected = [(ListRule.SHIFTED_EXPIRIES, "all exchanges", 2_000, at_nse + at_mcx)] if is_refused else []
    assert found(make_facts(*groups)) == expected


def test_the_expiries_of_the_only_exchange_may_move_by_a_day() -> None:
    assert found(make_facts(make_group(day_earlier=1_000))) == []


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ({"served_on": date(2026, 2, 12)}, ("server", 20260212, 20260210)),
        ({"last": replace(LAST, as_of=date(2026, 2, 11))}, ("last import", 20260211, 20260210)),
        ({"last": replace(LAST, as_of=TODAY)}, None),
        ({"long_over": 5}, None),
        ({"long_over": 6}, ("ended contracts", 0, 6)),
        ({"nearest_expiry": date(2026, 3, 27)}, None),
        ({"nearest_expiry": date(2026, 3, 28)}, ("nearest expiry", 20260328, 20260210)),
        ({"nearest_expiry": date(2027, 3, 28), "contracts": 99}, None),
    ],
)
def test_a_wrong_date_of_the_host_shows_in_each_of_these_numbers(
    values: dict[str, Any], finding: tuple[str, int, int] | None
) -> None:
    expected = [] if finding is None else [(ListRule.WRONG_DATE, *finding)]

    assert found(make_facts(**values)) == expected


def test_an_index_that_lost_its_derivatives_is_a_finding() -> None:
    assert found(make_facts(lost_indices=[LostIndex("FOCIT", 850, 40)])) == [
        (ListRule.LOST_DERIVATIVES, "FOCIT 850", 40, 0)
    ]


def test_acceptance_covers_the_same_numbers_only() -> None:
    accepted = judge(make_facts(make_group(remaining=0, kept=0), make_group(COMMODITY_OPTIONS, remaining=10, kept=10)))
    fewer = judge(make_facts(make_group(remaining=0, kept=0)))
    other = judge(make_facts(make_group(remaining=1, kept=1)))

    assert is_covered(accepted, accepted)
    assert is_covered(fewer, accepted)
    assert not is_covered(other, accepted)
    assert not is_covered(accepted, [])


@given(
    listed=st.integers(0, 100_000),
    counts=st.fixed_dictionaries(
        {
            name: st.integers(0, 100_000)
            for name in ("remaining", "kept", "past_expiry", "changed_lots", "swapped_types")
        }
    ),
)
def test_every_finding_has_a_sentence_with_its_numbers(listed: int, counts: dict[str, int]) -> None:
    findings = judge(make_facts(make_group(listed=listed, **counts)))

    assert all(has_numbers(one) for one in findings)


def has_numbers(finding: Finding) -> bool:
    return finding.sentence.endswith(".") and f"{finding.before:,}" in finding.sentence and finding.subject != ""
