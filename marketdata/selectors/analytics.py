"""Analytics of options and series that the analytics worker has computed, as plain numbers.

None is unknown, never zero. Analytics of a worker that has stopped are unknown, too: nothing old reads as live.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from marketdata import derived_board
from marketdata.domain.analytics.derived_rows import (
    DECIMALS,
    GAMMA_DIGITS,
    SERIES_DECIMALS,
    SERIES_FIELDS,
    OiSource,
    Rows,
    round_significant,
)
from marketdata.domain.analytics.positions import BuildUp
from marketdata.domain.analytics.premiums import IvReason


class OptionAnalytics(NamedTuple):
    """Analytics of one option, in the units of docs/analytics.md."""

    iv: float | None
    iv_reason: str | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    intrinsic: float | None
    time_value: float | None
    oi_change: int | None
    oi_change_source: str | None
    build_up: str | None


@dataclass(frozen=True, slots=True)
class ChainAnalytics:
    """Analytics of the options of a chain, by instrument id, and of its series by name; both empty without any."""

    options: Mapping[int, OptionAnalytics]
    series: Mapping[str, Any]


NO_OPTION: Final = OptionAnalytics(
    None, IvReason.NOT_COMPUTED.name.lower(), None, None, None, None, None, None, None, None, None
)

_COUNTS: Final = ("ce_oi", "pe_oi", "ce_oi_change", "pe_oi_change")
# The strike at the money is that of the chain itself.
_PRICES: Final = (*(one for one in SERIES_FIELDS if one not in {*_COUNTS, "atm_strike"}), "rate")
NO_SERIES: Final[Mapping[str, Any]] = dict.fromkeys(
    (*_PRICES, *_COUNTS, "strikes_counted", "strikes_listed", "as_of", "chain_as_of"), None
)


def get_chain_analytics(*, series_id: int, instrument_ids: Sequence[int], now: datetime) -> ChainAnalytics:
    """Return the newest analytics of these options and their series; runs no database query. Raises BoardError."""
    found = derived_board.connect().read(instrument_ids, series_id=series_id, now=now)
    if not found.is_current:
        return ChainAnalytics({}, {})
    return ChainAnalytics(_options(found.options), {} if found.series is None else _series(found.series))


def _options(rows: Rows) -> Mapping[int, OptionAnalytics]:
    columns: dict[str, Sequence[Any]] = {name: _rounded(rows[name], decimals) for name, decimals in DECIMALS.items()}
    columns |= {
        "iv_reason": [_REASONS[one] for one in rows["reason"].tolist()],
        "gamma": _plain(round_significant(rows["gamma"].astype(float), GAMMA_DIGITS)),
        "oi_change": _whole(rows["oi_change"]),
        "oi_change_source": [_SOURCES[one] for one in rows["oi_change_source"].tolist()],
        "build_up": [_BUILD_UPS[one] for one in rows["build_up"].tolist()],
    }
    fields = [columns[name] for name in OptionAnalytics._fields]
    return dict(zip(rows["instrument_id"].tolist(), map(OptionAnalytics, *fields), strict=True))


def _series(row: np.void) -> Mapping[str, Any]:
    rows = np.array([row])
    prices = {name: _rounded(rows[name], SERIES_DECIMALS.get(name, _RUPEE_DECIMALS))[0] for name in _PRICES}
    counts = {name: _whole(rows[name])[0] for name in _COUNTS}
    return {
        **prices,
        **counts,
        "strikes_counted": int(row["strikes_counted"]),
        "strikes_listed": int(row["strikes_listed"]),
        "as_of": _time(row["as_of_ms"]),
        "chain_as_of": _time(row["chain_at_ms"]),
    }


def _time(epoch_ms: np.uint64) -> datetime | None:
    return datetime.fromtimestamp(int(epoch_ms) / 1_000, tz=UTC) if epoch_ms else None


_RUPEE_DECIMALS: Final = 4  # the most that a strike has
_REASONS: Final = {int(one): one.name.lower() if one else None for one in IvReason}
_SOURCES: Final = {int(one): one.name.lower() if one else None for one in OiSource}
_BUILD_UPS: Final = {int(one): one.name.lower() if one else None for one in BuildUp}


def _rounded(values: npt.NDArray[Any], decimals: int) -> Sequence[float | None]:
    """Return the numbers as doubles that print with so many decimals."""
    return _plain(np.round(values.astype(float), decimals))


def _plain(values: npt.NDArray[np.float64]) -> Sequence[float | None]:
    # NaN is the only value that differs from itself. Adding 0 turns -0.0 into 0.0.
    return [value + 0 if value == value else None for value in values.tolist()]  # noqa: PLR0124


def _whole(values: npt.NDArray[Any]) -> Sequence[int | None]:
    return [None if value is None else int(value) for value in _plain(values)]
