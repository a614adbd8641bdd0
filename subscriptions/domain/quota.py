"""How much one trader may have live, and what would fit instead of what does not.

Whose quota it is and what they hold is read elsewhere.
"""

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal

from marketdata.domain import chain


def widest_fitting(
    strikes: Sequence[Decimal], *, atm: Decimal, width: int, fits: Callable[[Collection[Decimal]], bool]
) -> int | None:
    """Return the widest odd width below `width` whose strikes around `atm` fit; None if not even one strike does."""
    widest = width - 1 if width % 2 == 0 else width - 2
    for narrower in range(widest, 0, -2):
        if fits(chain.window(strikes, ltp=atm, width=narrower).strikes):
            return narrower
    return None


def format_offer(width: int | None) -> str:
    """Return the offer of a narrower chain as a sentence to append; empty without one.

    >>> format_offer(31)
    ' ±15 strikes would fit.'
    """
    if width is None:
        return ""
    return f" ±{width // 2} strikes would fit." if width > 1 else " The strike at the money would fit."
