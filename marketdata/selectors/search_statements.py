"""The statements of the search; each answers in milliseconds on the whole list (benchmarks/bench_search.py).

Parameters are always bound. The text of a statement is built only from the conditions in this module.
"""

from collections.abc import Sequence
from typing import Final

# Columns of a hit in the order of `search._hit`; the two flags follow.
_COLUMNS: Final = """
    i.id, i.token, i.display_name, i.exchange, i.exchange_segment, i.instrument_type, i.underlying_symbol, i.expiry,
    i.strike, i.option_type, i.lot_size, i.underlying_id
"""
# Exactly the expression of the index instruments_words; otherwise the planner does not use it.
_WORDS: Final = """to_tsvector('simple'::regconfig, COALESCE(i.token, '') || ' ' || COALESCE(i.display_name, ''))"""

# `current_from` has the first day that is not over for each segment, at the place of its number.
_CURRENT_FROM: Final = "(%(current_from)s::date[])[i.exchange_segment + 1]"
# Commodities and currencies have no listed spot: their nearest future that is not over represents the underlying.
_STANDS_FOR_UNDERLYING: Final = f"""
    (i.expiry IS NULL OR i.underlying_id IS NULL AND i.expiry >= {_CURRENT_FROM} AND NOT EXISTS (
        SELECT FROM instruments e WHERE e.is_listed AND e.option_type = '' AND e.expiry IS NOT NULL
        AND e.underlying_symbol = i.underlying_symbol AND e.exchange_segment = i.exchange_segment
        AND e.expiry >= {_CURRENT_FROM} AND (e.expiry, e.id) < (i.expiry, i.id)))
"""
_HAS_DERIVATIVES: Final = """
    (i.expiry IS NOT NULL OR EXISTS (
        SELECT FROM instruments f
        WHERE f.underlying_id = i.id AND f.is_listed AND f.option_type = '' AND f.expiry >= %(today)s))
"""


def named(*, by_word: bool, has_derivatives: bool, is_exact: bool = False) -> str:
    """Return the statement that finds instruments other than options by name.

    `has_derivatives`: underlyings only. `is_exact`: only those whose symbol is one of the given symbols.
    """
    # The second condition finds the futures of commodities and currencies, which have no row with the plain symbol.
    match = """i.token LIKE %(prefix)s OR i.token = ANY(%(symbols)s::text[])
              OR i.underlying_symbol = ANY(%(symbols)s::text[]) AND i.expiry IS NOT NULL"""
    if by_word:
        match += f" OR {_WORDS} @@ to_tsquery('simple'::regconfig, %(words)s)"
    exact = "AND i.underlying_symbol = ANY(%(symbols)s::text[])" if is_exact else ""
    only = "WHERE stands AND derives" if has_derivatives else ""
    # OFFSET 0 keeps the subquery: without it the planner copies its flags into each place of their use, and plans and
    # computes every copy. A materialized table expression does the same but stores all rows.
    return f"""
        SELECT id, token, display_name, exchange, exchange_segment, instrument_type, underlying_symbol, expiry,
               strike, option_type, lot_size, underlying_id, stands, place IS NOT NULL
        FROM (
            SELECT {_COLUMNS}, i.series, array_position(%(symbols)s::text[], i.underlying_symbol::text) AS place,
                   i.token LIKE %(prefix)s AS prefixed,
                   {_STANDS_FOR_UNDERLYING} AS stands, {_HAS_DERIVATIVES} AS derives,
                   coalesce(i.expiry < {_CURRENT_FROM}, false) AS is_over
            FROM instruments i
            WHERE i.is_listed AND i.option_type = '' AND (i.expiry IS NULL OR i.expiry >= %(today)s)
              AND (%(exchange)s::text IS NULL OR i.exchange = %(exchange)s) AND ({match}) {exact}
            OFFSET 0
        ) found {only}
        ORDER BY CASE WHEN stands THEN place END NULLS LAST, stands DESC, derives DESC, prefixed DESC,
                 (series IN ('', 'EQ', 'BE', 'BZ', 'A', 'B', 'T', 'X', 'XT')) DESC,
                 CASE exchange WHEN 'NSE' THEN 1 WHEN 'MCX' THEN 2 WHEN 'BSE' THEN 3 END, length(underlying_symbol),
                 underlying_symbol, is_over, expiry NULLS FIRST, token
        LIMIT %(limit)s
    """  # noqa: S608  Built from constants of this module.


_CONDITIONS: Final = {
    "future": "i.option_type = ''",
    "option": "i.strike IS NOT NULL AND (%(option_type)s::text IS NULL OR i.option_type = %(option_type)s)",
    "strike": "i.strike = %(strike)s",
    "day": "extract(day FROM i.expiry) = %(day)s",
    "monthly": """NOT EXISTS (
        SELECT FROM instruments later WHERE later.is_listed AND later.underlying_symbol = i.underlying_symbol
        AND later.exchange_segment = i.exchange_segment AND (later.strike IS NULL) = (i.strike IS NULL)
        AND later.expiry > i.expiry AND later.expiry < date_trunc('month', i.expiry) + interval '1 month')""",
}
_MIDDLE_STRIKE: Final = """coalesce(near, (
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY m.strike) FROM instruments m
    WHERE m.is_listed AND m.underlying_symbol = symbol AND m.exchange_segment = segment AND m.strike IS NOT NULL))
"""
_LISTED: Final = """i.is_listed AND i.underlying_symbol = u.symbol AND i.exchange_segment = u.segment
             AND i.expiry >= %(today)s"""
# The index of series is read range by range, without a visit to the rows of other strikes. OFFSET 0 keeps the planner
# from reading all contracts of the symbol once and comparing each with every range.
_LISTED_IN_RANGES: Final = f"""
    unnest(%(lowest)s::numeric[], %(beyond)s::numeric[]) AS r(lowest, beyond) CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM instruments i
        WHERE {_LISTED} AND i.strike >= r.lowest AND i.strike < r.beyond OFFSET 0
    ) i ON true
"""  # noqa: S608  Built from constants of this module.


def contracts(conditions: Sequence[str], *, in_ranges: bool = False) -> str:
    """Return the statement that finds derivatives of the given underlyings, by underlying and nearest expiry.

    `in_ranges`: with a strike in one of the given ranges, which do not overlap. Options without a strike are ordered by
    their distance from `near`, without a price from the middle of the listing.
    """
    # Futures have no strike, and where one is given the distance orders nothing.
    is_centered = "option" in conditions and "strike" not in conditions and not in_ranges
    listed = _LISTED_IN_RANGES if in_ranges else f"instruments i ON {_LISTED}"
    return f"""
        WITH u AS MATERIALIZED (
            SELECT given.*, {_MIDDLE_STRIKE if is_centered else "near"} AS middle
            FROM unnest(%(segments)s::smallint[], %(symbols)s::text[], %(near)s::numeric[])
                 WITH ORDINALITY AS given(segment, symbol, near, place)
        )
        SELECT {_COLUMNS}, false, false
        FROM u JOIN {listed}
        WHERE (%(month)s::int IS NULL OR extract(month FROM i.expiry) = %(month)s)
          AND (%(year)s::int IS NULL OR extract(year FROM i.expiry) = %(year)s)
          AND {" AND ".join(_CONDITIONS[name] for name in conditions)}
        ORDER BY u.place, abs(extract(day FROM i.expiry) - %(day)s::int) NULLS FIRST,
                 i.expiry < {_CURRENT_FROM}, i.expiry, abs(i.strike - u.middle), i.strike, i.option_type, i.id
        LIMIT %(limit)s
    """  # noqa: S608  Built from constants of this module.


BY_KEY: Final = f"""
SELECT {_COLUMNS}, {_STANDS_FOR_UNDERLYING}, true FROM instruments i
WHERE i.is_listed AND i.security_id = %(security_id)s AND i.exchange_segment = ANY(%(segments)s::smallint[])
  AND (%(exchange)s::text IS NULL OR i.exchange = %(exchange)s) AND (i.expiry IS NULL OR i.expiry >= %(today)s)
ORDER BY array_position(%(segments)s::smallint[], i.exchange_segment)
"""  # noqa: S608  Built from constants of this module.

# By the condition on the option type it uses an index of a tenth of the rows.
BY_ISIN: Final = f"""
SELECT {_COLUMNS}, {_STANDS_FOR_UNDERLYING}, true FROM instruments i
WHERE i.is_listed AND i.option_type = '' AND i.isin = %(isin)s
  AND (%(exchange)s::text IS NULL OR i.exchange = %(exchange)s)
ORDER BY array_position(ARRAY['NSE', 'MCX', 'BSE'], i.exchange::text), i.id
"""  # noqa: S608  Built from constants of this module.

# A loose index scan, expiry by expiry: reading all contracts of a symbol would visit thousands of entries for four.
EXPIRIES: Final = """
SELECT k.segment, k.symbol, o.instrument_type, array_agg(o.expiry ORDER BY o.expiry)
FROM unnest(%(segments)s::smallint[], %(symbols)s::text[]) AS k(segment, symbol)
CROSS JOIN LATERAL (
    WITH RECURSIVE next_one AS (
        (SELECT i.expiry, i.instrument_type, 1 AS place FROM instruments i
         WHERE i.is_listed AND i.underlying_symbol = k.symbol AND i.exchange_segment = k.segment
           AND i.expiry >= (%(current_from)s::date[])[k.segment + 1] AND i.strike IS NOT NULL
         ORDER BY i.expiry LIMIT 1)
        UNION ALL
        SELECT later.expiry, later.instrument_type, n.place + 1 FROM next_one n CROSS JOIN LATERAL (
            SELECT i.expiry, i.instrument_type FROM instruments i
            WHERE i.is_listed AND i.underlying_symbol = k.symbol AND i.exchange_segment = k.segment
              AND i.expiry > n.expiry AND i.strike IS NOT NULL
            ORDER BY i.expiry LIMIT 1
        ) later WHERE n.place < %(count)s
    )
    SELECT expiry, instrument_type FROM next_one
    UNION ALL
    (SELECT f.expiry, f.instrument_type FROM instruments f
     WHERE f.is_listed AND f.option_type = '' AND f.expiry >= (%(current_from)s::date[])[k.segment + 1]
       AND f.underlying_symbol = k.symbol AND f.exchange_segment = k.segment
     ORDER BY f.expiry LIMIT %(count)s)
) o
GROUP BY k.segment, k.symbol, o.instrument_type
"""
