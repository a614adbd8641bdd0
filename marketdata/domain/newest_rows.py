"""The newest row of each instrument, among the rows of several connections.

While a subscription moves, two connections have a row of it: the later packet counts.
"""

import numpy as np
import numpy.typing as npt

from marketdata.domain.quote_rows import Rows


def newest_indices(rows: Rows, connections: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
    """Return the indices of the newest rows in the order of their ids; a tie goes to the higher connection."""
    order = np.lexsort((connections, rows["received_at_ms"], rows["instrument_id"]))
    ids = rows["instrument_id"][order]
    return order[np.flatnonzero(np.append(ids[1:] != ids[:-1], [True] * bool(len(ids))))]
