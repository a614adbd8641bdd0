"""Whether an instrument file may replace the list: its kept rows compared with the listed ones, rule by rule.

A group is the rows of one exchange, segment and instrument type. Only rows in force count as listed: a contract that
expired before the date of the import may go. Each rule yields findings; a file with a finding is refused until staff
accept exactly these findings. The counts come from the import, so that every rule is arithmetic on numbers.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentType

# Chosen: single rows come and go every day, such as a contract that is listed a day late.
FEW_ROWS: Final = 2
# Chosen: 192 of 9,021 NSE shares changed series and id in nine weeks, and all of them kept their symbol. Of a group
# less vanishes in a day, except by expiry.
VANISHED_SHARE: Final = 0.05
# Chosen: exchanges revise lots and ticks of some underlyings at a time.
REVISED_SHARE: Final = 0.5
# Chosen: the file may list a contract for some days after its expiry. A date of the host that is wrong by less shows in
# the date of the server.
LEFTOVER_DAYS: Final = 21
# Chosen: the file of 10 Feb 2026 has none outside of the currency segments, which keep theirs for years.
LEFTOVER_SHARE: Final = 0.001
# Chosen: every underlying has a monthly expiry, so the nearest one is at most five weeks away.
NEAREST_EXPIRY_DAYS: Final = 45
# Chosen: below, a file is a sample, which need not have the nearest expiry.
SAMPLE_CONTRACTS: Final = 100
CURRENCY_SEGMENTS: Final = frozenset({ExchangeSegment.NSE_CURRENCY, ExchangeSegment.BSE_CURRENCY})


class SkipReason(StrEnum):
    """Why a row of the file is not kept."""

    EXPIRED = "expired"
    TEST = "test"
    NO_FEED_SEGMENT = "no feed segment"
    UNKNOWN_TYPE = "unknown instrument type"
    NO_IST_DAY = "date without an IST day"
    MALFORMED = "malformed"
    REPEATED = "repeated line"
    SECOND_ID = "contract under a second id"


class ListRule(StrEnum):
    """The rules; the values are stored in the records of imports."""

    FEWER_ROWS = "fewer rows"
    SKIPPED_ROWS = "skipped rows"
    PAST_EXPIRY = "expiry before today"
    SHIFTED_EXPIRIES = "expiries shifted by a day"
    SCALED_STRIKES = "strikes off by a power of ten"
    SWAPPED_OPTION_TYPES = "calls and puts swapped"
    CHANGED_LOTS = "lot sizes changed"
    CHANGED_TICKS = "tick sizes changed"
    WRONG_DATE = "date of the host or of the file"
    LOST_DERIVATIVES = "index without its derivatives"


@dataclass(frozen=True, slots=True)
class SkipBound:
    """The most rows skipped for one reason, as shares of the rows read.

    `growth` counts against the last accepted file of the same source, `first` applies without one.
    """

    growth: float
    first: float


# Chosen, beside the counts of 10 Feb 2026: 8 % expired, 16 % without a feed segment, 41 test rows, none of the others.
# A new product of the broker may add rows without a segment or type; they replace no kept row. A repeated line is
# harmless in any number.
SKIP_BOUNDS: Final[Mapping[SkipReason, SkipBound]] = {
    SkipReason.EXPIRED: SkipBound(growth=0.02, first=0.5),
    SkipReason.TEST: SkipBound(growth=0.01, first=0.01),
    SkipReason.NO_FEED_SEGMENT: SkipBound(growth=0.1, first=0.5),
    SkipReason.UNKNOWN_TYPE: SkipBound(growth=0.02, first=0.05),
    SkipReason.NO_IST_DAY: SkipBound(growth=0.001, first=0.001),
    SkipReason.MALFORMED: SkipBound(growth=0.005, first=0.01),
    SkipReason.SECOND_ID: SkipBound(growth=0.05, first=0.05),
}


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one exchange, segment and instrument type."""

    exchange: Exchange
    segment: ExchangeSegment
    kind: InstrumentType

    def __str__(self) -> str:
        return f"{self.exchange} {self.segment.name} {self.kind}"


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Counts of one group: its listed rows in force, and what the file has of them."""

    group: Group
    listed: int = 0
    remaining: int = 0  # of the listed: in the file, under the same key or as the same contract under another id
    kept: int = 0  # rows of the file, new ones included
    same_key: int = 0  # of the remaining: under the same key
    same_contract: int = 0  # of these: expiry, strike and option type are unchanged
    past_expiry: int = 0  # of the listed: in the file with an expiry before the date of the import
    day_earlier: int = 0  # of the same key: the expiry is one day earlier
    scaled_strikes: int = 0  # of the same key: the strike is a power of ten off, and the lot does not make up for it
    swapped_types: int = 0  # of the same key: the other option type, everything else unchanged
    changed_lots: int = 0  # of the same contract
    changed_ticks: int = 0  # of the same contract


@dataclass(frozen=True, slots=True)
class LastFile:
    """The last accepted file of the same source."""

    as_of: date
    skipped: Mapping[SkipReason, int]


@dataclass(frozen=True, slots=True)
class LostIndex:
    """An index whose derivatives were linked to it in the list, and are not with this file."""

    name: str
    security_id: int
    linked: int


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the rules judge: the counts of one file beside the list."""

    as_of: date
    rows_read: int
    skipped: Mapping[SkipReason, int]
    groups: Sequence[GroupChange]
    last: LastFile | None = None
    ended: int = 0  # listed contracts that expired before `as_of`
    long_over: int = 0  # rows outside of the currency segments that expired over LEFTOVER_DAYS before `as_of`
    contracts: int = 0  # rows with an expiry outside of the currency segments, expired ones included
    nearest_expiry: date | None = None  # of the kept rows
    served_on: date | None = None  # the date in IST of the server that sent the file, where it differs from the host's
    lost_indices: Sequence[LostIndex] = field(default=())


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason to refuse a file: the count in the list or before, and the count in the file."""

    rule: ListRule
    subject: str
    before: int
    after: int
    sentence: str


def judge(facts: FileFacts) -> Sequence[Finding]:
    """Return the findings of all rules, in the order of `ListRule`; none for a file that may replace the list."""
    found = [finding for rule in _RULES for finding in rule(facts)]
    order = list(ListRule)
    return sorted(found, key=lambda one: order.index(one.rule))


def is_covered(found: Iterable[Finding], accepted: Iterable[Finding]) -> bool:
    """Return whether staff accepted each of `found`: the same rule, subject and numbers."""
    seen = {(one.rule, one.subject, one.before, one.after) for one in accepted}
    return all((one.rule, one.subject, one.before, one.after) in seen for one in found)


def _fewer_rows(facts: FileFacts) -> Iterator[Finding]:
    for one in facts.groups:
        vanished = one.listed - one.remaining
        is_gone = one.listed > 0 and one.kept == 0
        if not is_gone and vanished <= max(FEW_ROWS, one.listed * VANISHED_SHARE):
            continue
        new = f", besides {one.kept - one.remaining:,} new ones" if one.kept > one.remaining else ""
        sentence = f"{one.group} fell from {one.listed:,} to {one.remaining:,} rows{new}."
        yield Finding(ListRule.FEWER_ROWS, str(one.group), one.listed, one.remaining, sentence)


def _skipped_rows(facts: FileFacts) -> Iterator[Finding]:
    for reason, bound in SKIP_BOUNDS.items():
        count = facts.skipped.get(reason, 0)
        before = facts.last.skipped.get(reason, 0) if facts.last else 0
        # The file may list a contract for some days after its expiry.
        expected = before + (facts.ended if reason is SkipReason.EXPIRED else 0)
        share = bound.growth if facts.last else bound.first
        if count - expected <= max(FEW_ROWS, facts.rows_read * share):
            continue
        since = f"instead of {before:,}" if facts.last else f"of {facts.rows_read:,}"
        sentence = f"{count:,} rows {since} are skipped, {reason}."
        yield Finding(ListRule.SKIPPED_ROWS, reason, before, count, sentence)


def _past_expiries(facts: FileFacts) -> Iterator[Finding]:
    for one in facts.groups:
        if one.past_expiry:
            yield Finding(
                ListRule.PAST_EXPIRY,
                str(one.group),
                one.listed,
                one.past_expiry,
                f"{one.past_expiry:,} of {one.listed:,} contracts of {one.group} have an expiry before "
                f"{facts.as_of:%d %b %Y}, and a later one in the list.",
            )


def _shifted_expiries(facts: FileFacts) -> Iterator[Finding]:
    """Find a file whose days were taken in another time zone. One exchange alone may revise its expiry days."""
    compared: dict[Exchange, int] = defaultdict(int)
    earlier: dict[Exchange, int] = defaultdict(int)
    for one in facts.groups:
        if one.group.kind.is_option or one.group.kind.is_future:
            compared[one.group.exchange] += one.same_key
            earlier[one.group.exchange] += one.day_earlier
    exchanges = [exchange for exchange, count in compared.items() if count]
    if len(exchanges) < 2 or any(earlier[one] * 2 <= compared[one] for one in exchanges):
        return
    total, moved = sum(compared.values()), sum(earlier.values())
    sentence = f"{moved:,} of {total:,} contracts of all exchanges expire one day earlier than in the list."
    yield Finding(ListRule.SHIFTED_EXPIRIES, "all exchanges", total, moved, sentence)


def _scaled_strikes(facts: FileFacts) -> Iterator[Finding]:
    for one in facts.groups:
        if one.scaled_strikes > FEW_ROWS:
            sentence = (
                f"{one.scaled_strikes:,} of {one.same_key:,} strikes of {one.group} are off by a power of ten, "
                "and their lots are not."
            )
            yield Finding(
                ListRule.SCALED_STRIKES, str(one.group), one.same_key, one.same_key - one.scaled_strikes, sentence
            )


def _swapped_types(facts: FileFacts) -> Iterator[Finding]:
    for one in facts.groups:
        if one.swapped_types > FEW_ROWS:
            sentence = f"{one.swapped_types:,} of {one.same_key:,} calls and puts of {one.group} are swapped."
            yield Finding(
                ListRule.SWAPPED_OPTION_TYPES, str(one.group), one.same_key, one.same_key - one.swapped_types, sentence
            )


def _changed_sizes(facts: FileFacts) -> Iterator[Finding]:
    for one in facts.groups:
        most = max(FEW_ROWS, one.same_contract * REVISED_SHARE)
        for rule, changed, noun in (
            (ListRule.CHANGED_LOTS, one.changed_lots, "lot"),
            (ListRule.CHANGED_TICKS, one.changed_ticks, "tick"),
        ):
            if changed > most:
                sentence = f"{changed:,} of {one.same_contract:,} rows of {one.group} have another {noun} size."
                yield Finding(rule, str(one.group), one.same_contract, one.same_contract - changed, sentence)


def _wrong_dates(facts: FileFacts) -> Iterator[Finding]:
    today = f"{facts.as_of:%d %b %Y}"
    if facts.served_on is not None:
        yield _wrong_date(
            "server",
            facts.served_on,
            facts.as_of,
            f"The date is {today} here and {facts.served_on:%d %b %Y} at the server of the file.",
        )
    if facts.last is not None and facts.as_of < facts.last.as_of:
        yield _wrong_date(
            "last import",
            facts.last.as_of,
            facts.as_of,
            f"The date is {today} here, before the {facts.last.as_of:%d %b %Y} of the last import.",
        )
    if facts.long_over > max(FEW_ROWS, facts.contracts * LEFTOVER_SHARE):
        sentence = (
            f"{facts.long_over:,} of {facts.contracts:,} contracts ended over {LEFTOVER_DAYS} days before {today}: "
            "the dates of the file or the date of this host are wrong."
        )
        yield Finding(ListRule.WRONG_DATE, "ended contracts", 0, facts.long_over, sentence)
    nearest = facts.nearest_expiry
    if nearest is None or facts.contracts < SAMPLE_CONTRACTS:
        return
    if nearest > facts.as_of + timedelta(days=NEAREST_EXPIRY_DAYS):
        yield _wrong_date(
            "nearest expiry",
            nearest,
            facts.as_of,
            f"The nearest expiry is {nearest:%d %b %Y}, over {NEAREST_EXPIRY_DAYS} days after {today}.",
        )


def _wrong_date(subject: str, other: date, here: date, sentence: str) -> Finding:
    """Return a finding of two dates, as numbers such as 20260210."""
    return Finding(ListRule.WRONG_DATE, subject, int(f"{other:%Y%m%d}"), int(f"{here:%Y%m%d}"), sentence)


def _lost_derivatives(facts: FileFacts) -> Iterator[Finding]:
    for one in facts.lost_indices:
        sentence = (
            f"The index {one.name} (id {one.security_id}) lost its derivatives: {one.linked:,} in the list, "
            "none in the file."
        )
        yield Finding(ListRule.LOST_DERIVATIVES, f"{one.name} {one.security_id}", one.linked, 0, sentence)


_RULES: Final[Sequence[Callable[[FileFacts], Iterator[Finding]]]] = (
    _fewer_rows,
    _skipped_rows,
    _past_expiries,
    _shifted_expiries,
    _scaled_strikes,
    _swapped_types,
    _changed_sizes,
    _wrong_dates,
    _lost_derivatives,
)
