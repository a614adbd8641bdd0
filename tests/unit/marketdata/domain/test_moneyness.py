"""A call is in the money below the spot, a put above it."""

from decimal import Decimal

import pytest

from marketdata.domain.instruments import OptionType
from marketdata.domain.moneyness import Moneyness, moneyness_of


@pytest.mark.parametrize(
    ("strike", "option_type", "expected"),
    [
        ("25900", OptionType.CE, Moneyness.IN),
        ("26100", OptionType.CE, Moneyness.OUT),
        ("25900", OptionType.PE, Moneyness.OUT),
        ("26100", OptionType.PE, Moneyness.IN),
        ("26017.5", OptionType.CE, Moneyness.AT),
        ("26017.5", OptionType.PE, Moneyness.AT),
    ],
)
def test_the_side_of_the_spot_decides(strike: str, option_type: OptionType, expected: Moneyness) -> None:
    found = moneyness_of(strike=Decimal(strike), option_type=option_type, spot=Decimal("26017.50"))

    assert found is expected
