"""The vocabulary for misspelled searches: symbols of shares, indices and underlyings, and the words of their names.

A process reads it with the first misspelled search after each import and keeps it in memory (benchmarks/bench_search.py
measures both). Bonds and bills are left out: their names are codes.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from django.db import connection

from marketdata.domain.spelling import MIN_LENGTH, SpellingIndex
from marketdata.domain.symbols import ALIASES

# The series of shares and of funds, main boards and boards for small companies.
_SERIES: Final = ["", "EQ", "BE", "BZ", "SM", "ST", "A", "B", "T", "X", "XT", "M", "MT", "Z", "E"]
# Ranks: an underlying with derivatives, an index, a share of NSE, a share of BSE only.
_SYMBOLS_SQL: Final = """
SELECT underlying_symbol,
       coalesce(max(display_name) FILTER (WHERE expiry IS NULL), ''),
       min(CASE WHEN expiry IS NOT NULL THEN 0 WHEN instrument_type = 'INDEX' THEN 1
           WHEN exchange = 'NSE' THEN 2 ELSE 3 END)
FROM instruments WHERE is_listed AND option_type = '' AND (expiry IS NOT NULL OR series = ANY(%s))
GROUP BY underlying_symbol
"""
# In SQL because each search that finds nothing as written runs it: a query set costs several times the statement.
_NEWEST_IMPORT_SQL: Final = """
SELECT id, finished_at FROM instrument_imports WHERE finished_at IS NOT NULL AND refusal = ''
ORDER BY finished_at DESC, id DESC LIMIT 1
"""


def get_spelling_index() -> SpellingIndex:
    """Return the index of the present list; it is made once per import and process."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST_IMPORT_SQL)
        newest = cursor.fetchone()
    # Without an import the list belongs to a test, which changes it at will.
    return read_spelling_index() if newest is None else _index_of(newest)


@lru_cache(maxsize=1)
def _index_of(_newest_import: tuple[object, object]) -> SpellingIndex:
    return read_spelling_index()


def read_spelling_index() -> SpellingIndex:
    """Read the symbols and names of the listed shares, indices and futures, and index them."""
    with connection.cursor() as cursor:
        cursor.execute(_SYMBOLS_SQL, [_SERIES])
        rows = cursor.fetchall()
    return SpellingIndex(_vocabulary(rows))


def _vocabulary(rows: list[tuple[str, str, int]]) -> Iterator[tuple[str, int]]:
    # A symbol precedes a word of a name of the same rank.
    yield from ((alias, 0) for alias in ALIASES)
    for symbol, name, rank in rows:
        yield symbol, 2 * rank
        for word in re.findall(r"[A-Z0-9]+", name.upper()):
            if len(word) >= MIN_LENGTH:
                yield word, 2 * rank + 1
