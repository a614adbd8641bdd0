"""Where windows lie, as last calculated: for those who hold their legs."""

from collections.abc import Iterable, Mapping

from marketdata.domain.instruments import SeriesKey
from marketdata.models import AtmCache


def list_windows(*, wanted: Iterable[tuple[SeriesKey, int]]) -> Mapping[tuple[SeriesKey, int], AtmCache]:
    """Return the last calculation of each wanted (series, width) that has one, in one query."""
    keys = set(wanted)
    rows = AtmCache.objects.filter(
        exchange_segment__in={series.segment for series, _ in keys},
        underlying_symbol__in={series.underlying for series, _ in keys},
        expiry__in={series.expiry for series, _ in keys},
        width__in={width for _, width in keys},
    )
    found = {(row.series, row.width): row for row in rows}
    return {key: row for key, row in found.items() if key in keys}


def get_window(*, series: SeriesKey, width: int) -> AtmCache:
    """Return the last calculation of one window. Raises AtmCache.DoesNotExist."""
    return AtmCache.objects.get(
        exchange_segment=series.segment, underlying_symbol=series.underlying, expiry=series.expiry, width=width
    )
