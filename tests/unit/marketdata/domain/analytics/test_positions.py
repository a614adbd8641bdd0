"""Build-up: the four cases of price and open interest, and none where one stands still or is unknown."""

import numpy as np
import pytest

from marketdata.domain.analytics.positions import BuildUp, classify_build_up

UNKNOWN = float("nan")


@pytest.mark.parametrize(
    ("price", "interest", "kind"),
    [
        (1.5, 50.0, BuildUp.LONG_BUILD_UP),
        (-1.5, 50.0, BuildUp.SHORT_BUILD_UP),
        (-1.5, -50.0, BuildUp.LONG_UNWINDING),
        (1.5, -50.0, BuildUp.SHORT_COVERING),
        (0.0, 50.0, BuildUp.NONE),
        (1.5, 0.0, BuildUp.NONE),
        (UNKNOWN, 50.0, BuildUp.NONE),
        (1.5, UNKNOWN, BuildUp.NONE),
    ],
)
def test_the_kind_of_a_build_up(price: float, interest: float, kind: BuildUp) -> None:
    assert classify_build_up(np.array([price]), np.array([interest])).tolist() == [kind]
