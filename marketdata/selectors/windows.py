"""The last calculation of each window, read from `atm_cache`."""

from collections.abc import Iterable, Mapping
from typing import Final

from django.db import connection

from marketdata.domain.chain import Window, WindowKey
from marketdata.models import AtmCache

# In SQL because each poll of a chain runs it: to build and compile the query set costs more than the statement.
_WINDOW_SQL: Final = """
SELECT ltp, calculated_at, strike_step, atm, lowest_strike, highest_strike FROM atm_cache
WHERE exchange_segment = %s AND underlying_symbol = %s AND expiry = %s AND width = %s
"""


def list_windows(*, keys: Iterable[WindowKey]) -> Mapping[WindowKey, Window]:
    """Return the last calculation of each key that has one, in one query."""
    wanted = set(keys)
    # Four IN lists match a superset of the keys: one series at another's width. Row comparison would need raw SQL.
    rows = AtmCache.objects.filter(
        exchange_segment__in={key.series.segment for key in wanted},
        underlying_symbol__in={key.series.underlying for key in wanted},
        expiry__in={key.series.expiry for key in wanted},
        width__in={key.width for key in wanted},
    )
    found = {WindowKey(row.series, row.width): row for row in rows}
    return {key: _window(row) for key, row in found.items() if key in wanted}


def find_window(*, key: WindowKey) -> Window | None:
    """Return the last calculation of one window, or None."""
    series = key.series
    with connection.cursor() as cursor:
        cursor.execute(_WINDOW_SQL, [int(series.segment), series.underlying, series.expiry, key.width])
        row = cursor.fetchone()
    return None if row is None else Window(*row)


def _window(row: AtmCache) -> Window:
    return Window(row.ltp, row.calculated_at, row.strike_step, row.atm, row.lowest_strike, row.highest_strike)
