"""Whether an option is in the money: whether it would be worth something if it were exercised at the present spot."""

from decimal import Decimal
from enum import StrEnum

from marketdata.domain.instruments import OptionType


class Moneyness(StrEnum):
    """The side of the spot on which a strike is, seen from the holder of the option."""

    IN = "itm"
    AT = "atm"  # strike and spot are equal; the strike nearest to the spot is the ATM of a chain
    OUT = "otm"


def moneyness_of(*, strike: Decimal, option_type: OptionType, spot: Decimal) -> Moneyness:
    """Return the moneyness of an option at this spot, both in rupees."""
    if strike == spot:
        return Moneyness.AT
    return Moneyness.IN if (strike < spot) == (option_type is OptionType.CE) else Moneyness.OUT
