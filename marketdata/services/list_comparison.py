"""Comparison of a staged instrument file with the list: the counts that `domain.list_rules` judges.

All statements are set-based and read the temporary tables of `import_statements`, before anything is written to
`instruments`. Harmless repetitions are removed from the staged rows first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from marketdata.dhan.scrip_rows import ExpiredRow
from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentType
from marketdata.domain.list_rules import CURRENCY_SEGMENTS, LEFTOVER_DAYS, Group, GroupChange, LostIndex

# Chosen: a sentence that names more is not read.
NAMED: Final = 10

PAST: Final = """
CREATE TEMP TABLE past (exchange_segment smallint, security_id bigint, instrument_type text, expiry date) ON COMMIT DROP
"""

COPY_PAST: Final = "COPY past FROM STDIN"

# Equal rows count as one line, whatever their columns that are not read.
_DELETE_REPEATED: Final = """
WITH repeated AS (
    SELECT exchange_segment, security_id FROM staged GROUP BY 1, 2 HAVING count(*) > 1
), numbered AS (
    SELECT s.ctid AS place, row_number() OVER (PARTITION BY s ORDER BY s.ctid) AS number
    FROM staged s JOIN repeated USING (exchange_segment, security_id)
)
DELETE FROM staged s USING numbered n WHERE s.ctid = n.place AND n.number > 1
"""

_SECOND_IDS: Final = """
SELECT EXISTS (SELECT FROM staged WHERE expiry IS NOT NULL GROUP BY exchange_segment, token HAVING count(*) > 1)
"""

# The id that is listed for the contract stays, else the lowest one.
_DELETE_SECOND_IDS: Final = """
WITH twice AS (
    SELECT exchange_segment, token FROM staged WHERE expiry IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1
), ranked AS (
    SELECT s.ctid AS place, row_number() OVER ranking AS rank, first_value(s.security_id) OVER ranking AS stays
    FROM staged s JOIN twice USING (exchange_segment, token)
    LEFT JOIN instruments i ON i.is_listed AND i.exchange_segment = s.exchange_segment
        AND i.security_id = s.security_id AND i.token = s.token
    WINDOW ranking AS (PARTITION BY s.exchange_segment, s.token ORDER BY i.id IS NULL, s.security_id)
)
DELETE FROM staged s USING ranked r WHERE s.ctid = r.place AND r.rank > 1
RETURNING s.exchange_segment, s.token, s.security_id, r.stays
"""

# A listed row remains if the file has its key, or its contract (of a cash instrument: its symbol) under another id.
_LISTED: Final = """
SELECT i.exchange, i.exchange_segment, i.instrument_type,
    count(*) AS listed,
    count(*) FILTER (WHERE s.security_id IS NOT NULL OR EXISTS (
        SELECT FROM staged t WHERE t.exchange_segment = i.exchange_segment
            AND t.token = CASE WHEN i.expiry IS NULL THEN i.underlying_symbol ELSE i.token END
    )) AS remaining,
    count(s.security_id) AS same_key,
    count(*) FILTER (WHERE c.same) AS same_contract,
    count(*) FILTER (WHERE s.security_id IS NULL AND EXISTS (
        SELECT FROM past p WHERE p.exchange_segment = i.exchange_segment AND p.security_id = i.security_id
            AND p.instrument_type = i.instrument_type
    )) AS past_expiry,
    count(*) FILTER (WHERE s.expiry = i.expiry - 1) AS day_earlier,
    count(*) FILTER (WHERE s.strike <> i.strike AND s.strike * s.lot_size <> i.strike * i.lot_size
        AND s.strike / i.strike IN (0.0001, 0.001, 0.01, 0.1, 10, 100, 1000, 10000)) AS scaled_strikes,
    count(*) FILTER (WHERE s.option_type <> i.option_type AND s.strike = i.strike AND s.expiry = i.expiry)
        AS swapped_types,
    count(*) FILTER (WHERE c.same AND s.lot_size <> i.lot_size) AS changed_lots,
    count(*) FILTER (WHERE c.same AND s.tick_size <> i.tick_size) AS changed_ticks
FROM instruments i
LEFT JOIN staged s ON s.exchange_segment = i.exchange_segment AND s.security_id = i.security_id
    AND s.instrument_type = i.instrument_type
CROSS JOIN LATERAL (SELECT s.expiry IS NOT DISTINCT FROM i.expiry AND s.strike IS NOT DISTINCT FROM i.strike
    AND s.option_type = i.option_type AS same) c
WHERE i.is_listed AND (i.expiry IS NULL OR i.expiry >= %(as_of)s)
GROUP BY 1, 2, 3
"""

_KEPT: Final = """
SELECT exchange, exchange_segment, instrument_type, count(*), count(expiry), min(expiry) FROM staged GROUP BY 1, 2, 3
"""

_ENDED: Final = "SELECT count(*) FROM instruments WHERE is_listed AND expiry < %(as_of)s"

# The indices with listed derivatives in force that the file does not link to them; `LINK` has the same rule.
_LOST_INDICES: Final = """
WITH linked AS (
    SELECT u.exchange_segment, u.security_id, u.underlying_symbol, count(*) AS derivatives
    FROM instruments i JOIN instruments u ON u.id = i.underlying_id
    WHERE i.is_listed AND i.expiry >= %(as_of)s AND u.instrument_type = 'INDEX'
    GROUP BY 1, 2, 3
)
SELECT underlying_symbol, security_id, derivatives FROM linked
WHERE NOT EXISTS (
    SELECT FROM staged s JOIN staged d ON d.exchange = s.exchange AND d.underlying_symbol = s.underlying_symbol
        AND d.instrument_type IN ('OPTIDX', 'FUTIDX')
    WHERE s.exchange_segment = linked.exchange_segment AND s.security_id = linked.security_id
        AND s.instrument_type = 'INDEX'
)
ORDER BY underlying_symbol
"""

# Options of the segments that this product serves; options on currencies have no spot in the file.
_WITHOUT_SPOT: Final = """
WITH series AS (
    SELECT DISTINCT exchange_segment, instrument_type, underlying_symbol, expiry FROM resolved
    WHERE option_type <> '' AND exchange_segment IN (2, 5, 8)
)
SELECT exchange_segment, underlying_symbol, count(*) FROM series
LEFT JOIN links l USING (exchange_segment, instrument_type, underlying_symbol, expiry)
WHERE l.spot_id IS NULL GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The staged file beside the list, by group; `ended` and below as in `FileFacts`."""

    groups: Sequence[GroupChange]
    ended: int
    long_over: int
    contracts: int
    nearest_expiry: date | None
    lost_indices: Sequence[LostIndex]


def stage_expired(cursor: Any, expired: Iterable[ExpiredRow]) -> None:
    """Copy the keys of the expired rows of the file into a temporary table."""
    cursor.execute(PAST)
    with cursor.copy(COPY_PAST) as copy:
        for row in expired:
            copy.write_row((int(row.segment), row.security_id, row.instrument_type.value, row.expiry))
    cursor.execute("ANALYZE past")


def remove_repeated_lines(cursor: Any) -> int:
    """Remove staged rows that are equal to another one; return their number."""
    cursor.execute(_DELETE_REPEATED)
    removed: int = cursor.rowcount
    return removed


def remove_second_ids(cursor: Any) -> Sequence[str]:
    """Remove contracts that are staged under a second id; return one text for each."""
    cursor.execute(_SECOND_IDS)
    if not cursor.fetchone()[0]:
        return []
    cursor.execute(_DELETE_SECOND_IDS)
    return [
        f"{token} ({ExchangeSegment(segment).name} {left_out}, beside {stays})"
        for segment, token, left_out, stays in sorted(cursor.fetchall())
    ]


def compare(cursor: Any, *, as_of: date, expired: Sequence[ExpiredRow]) -> Comparison:
    """Compare the staged rows with the listed ones; `expired` are the other contracts of the file."""
    cursor.execute(_KEPT)
    kept = {_group(*row[:3]): row[3:] for row in cursor.fetchall()}
    cursor.execute(_LISTED, {"as_of": as_of})
    listed = {_group(*row[:3]): row[3:] for row in cursor.fetchall()}
    cursor.execute(_ENDED, {"as_of": as_of})
    (ended,) = cursor.fetchone()
    cursor.execute(_LOST_INDICES, {"as_of": as_of})
    lost = [LostIndex(name, security_id, linked) for name, security_id, linked in cursor.fetchall()]
    groups = [
        _group_change(group, kept.get(group, (0,))[0], listed.get(group))
        for group in sorted(kept | listed, key=lambda one: (one.exchange, one.segment, one.kind))
    ]
    past = [row for row in expired if row.segment not in CURRENCY_SEGMENTS]
    limit = as_of - timedelta(days=LEFTOVER_DAYS)
    served = [counts for group, counts in kept.items() if group.segment not in CURRENCY_SEGMENTS]
    return Comparison(
        groups=groups,
        ended=ended,
        long_over=sum(row.expiry < limit for row in past),
        contracts=sum(contracts for _, contracts, _ in served) + len(past),
        nearest_expiry=min((nearest for _, _, nearest in served if nearest), default=None),
        lost_indices=lost,
    )


def list_series_without_spot(cursor: Any) -> Sequence[str]:
    """Return the underlyings of option series that have no spot in the file, with the number of their expiries."""
    cursor.execute(_WITHOUT_SPOT)
    return [
        f"{symbol} ({ExchangeSegment(segment).name}, expiries: {expiries})"
        for segment, symbol, expiries in cursor.fetchall()
    ]


def enumerate_names(names: Sequence[str]) -> str:
    """Return the first NAMED names with commas, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _group(exchange: str, segment: int, kind: str) -> Group:
    return Group(Exchange(exchange), ExchangeSegment(segment), InstrumentType(kind))


def _group_change(group: Group, kept: int, counts: Sequence[int] | None) -> GroupChange:
    if counts is None:
        return GroupChange(group, kept=kept)
    listed, remaining, same_key, same_contract, past, earlier, scaled, swapped, lots, ticks = counts
    return GroupChange(
        group,
        listed=listed,
        remaining=remaining,
        kept=kept,
        same_key=same_key,
        same_contract=same_contract,
        past_expiry=past,
        day_earlier=earlier,
        scaled_strikes=scaled,
        swapped_types=swapped,
        changed_lots=lots,
        changed_ticks=ticks,
    )
