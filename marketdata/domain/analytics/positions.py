"""Change of open interest, and what it says together with the change of the price.

Where open interest grows, positions are opened: long ones if the price rises, short ones if it falls. Where it shrinks,
they are closed.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from marketdata.domain.analytics.black76 import Floats


class BuildUp(IntEnum):
    """Kind of change of the positions in an instrument since the previous close."""

    NONE = 0  # price or open interest is unknown or unchanged
    LONG_BUILD_UP = 1  # price up, open interest up
    SHORT_BUILD_UP = 2  # price down, open interest up
    LONG_UNWINDING = 3  # price down, open interest down
    SHORT_COVERING = 4  # price up, open interest down


_KINDS = np.array(
    # Rows: open interest down, unchanged, up; columns: price down, unchanged, up.
    [
        [BuildUp.LONG_UNWINDING, BuildUp.NONE, BuildUp.SHORT_COVERING],
        [BuildUp.NONE, BuildUp.NONE, BuildUp.NONE],
        [BuildUp.SHORT_BUILD_UP, BuildUp.NONE, BuildUp.LONG_BUILD_UP],
    ],
    dtype=np.uint8,
)


def classify_build_up(price_change: Floats, oi_change: Floats) -> npt.NDArray[np.uint8]:
    """Return the `BuildUp` of each instrument from its changes since the previous close; NaN is unknown."""
    price, interest = np.sign(np.nan_to_num(price_change)), np.sign(np.nan_to_num(oi_change))
    return np.asarray(_KINDS[interest.astype(np.intp) + 1, price.astype(np.intp) + 1])
