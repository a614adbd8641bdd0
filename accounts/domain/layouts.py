"""Named layouts of a trader: which columns the chain shows on each side, and in what order.

The first column is the outermost one. Puts mirror the calls, as the browser code does it (`columns.js`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

# As the fields of the API name them; `columns.js` has the same ones in the same order (a test compares them).
COLUMNS: Final = (
    "oi_change",
    "oi",
    "volume",
    "iv",
    "delta",
    "gamma",
    "theta",
    "vega",
    "intrinsic",
    "time_value",
    "change",
    "change_percent",
    "bid",
    "ltp",
    "ask",
)
_KNOWN: Final = frozenset(COLUMNS)
MAX_LAYOUTS: Final = 6
"""Layouts of one trader. Chosen: beside the presets they are reached by a few presses of `g`."""
MAX_LAYOUT_NAME: Final = 24
"""Characters of the name of a layout. Chosen: it stands on a button in the bar of the chain."""
MAX_QUOTED: Final = 32  # Characters of an unknown column that an error repeats; the longest stored one.
# Of a stored layout whose columns have all gone: it stays on its button, where the trader can change or delete it.
_LAST_RESORT: Final = ("ltp",)


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout of one trader: its columns from the outermost one, at least one, each once."""

    name: str
    columns: tuple[str, ...]


def describe_fault(columns: Sequence[str]) -> str | None:
    """Return what is wrong with these columns, for the trader; None if nothing is."""
    if not columns:
        return "A layout needs at least one column."
    unknown = next((one for one in columns if one not in _KNOWN), None)
    if unknown is not None:
        return f"There is no column {unknown[:MAX_QUOTED]!r}."
    twice = next((one for one in columns if columns.count(one) > 1), None)
    return None if twice is None else f"The column {twice!r} is there twice."


def keep_known(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of a stored layout that exist now; LTP alone if none does."""
    return tuple(one for one in columns if one in _KNOWN) or _LAST_RESORT
