"""The quota of one trader, and the narrower chain that is offered when a chain exceeds the quota or the capacity."""

from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal

from marketdata.domain import chain


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """A trader's quota, how many instruments count against it, and those that would not: they stream anyway.

    `used` may exceed `quota`: staff lowered it, or another trader released instruments that the two shared.
    """

    quota: int
    used: int
    streaming: Set[int]

    @property
    def left(self) -> int:
        """Instruments that may still start to stream for this trader."""
        return max(0, self.quota - self.used)

    def count_starting(self, asked: Set[int]) -> int:
        """Return how many of the instruments `asked` would start to stream."""
        return len(asked - self.streaming)

    def permits(self, asked: Set[int]) -> bool:
        """Return whether these instruments fit; those that stream anyway always do."""
        return self.count_starting(asked) <= self.left


def widest_fitting(
    strikes: Sequence[Decimal], *, atm: Decimal, width: int, fits: Callable[[Collection[Decimal]], bool]
) -> int | None:
    """Return the widest odd width below `width` whose strikes around `atm` fit; None if not even one strike does."""
    # A window is symmetric around ATM, so its full width is odd. Every odd width is tried, widest first: how many
    # instruments a width needs depends on which of them the trader holds already, so it need not shrink evenly.
    widest = width - 1 if width % 2 == 0 else width - 2
    position = chain.nearest_listed(strikes, atm)
    for narrower in range(widest, 0, -2):
        if fits(chain.strikes_around(strikes, position, width=narrower)):
            return narrower
    return None


def format_offer(width: int | None) -> str:
    """Return the offer of a narrower chain as a sentence to append; empty without one.

    >>> format_offer(31)
    ' ±15 strikes would fit.'
    """
    # Traders read a width as strikes on either side of ATM.
    if width is None:
        return ""
    return f" ±{width // 2} strikes would fit." if width > 1 else " The strike at the money would fit."
