"""Bus rows with readable defaults."""

import numpy as np

from marketdata.domain.quote_rows import QUOTE_ROW, BusFrame, FrameKind, Known, Rows

FULLY_KNOWN = Known.TRADE | Known.DAY | Known.OI | Known.DEPTH | Known.PREVIOUS_CLOSE


def make_row(instrument_id: int, *, ltp: float = 100.0, known: Known = FULLY_KNOWN, **fields: float) -> Rows:
    row = np.zeros(1, dtype=QUOTE_ROW)
    row["instrument_id"] = instrument_id
    row["known"] = known
    row["received_at_ms"] = fields.pop("received_at_ms", 1_000)
    row["ltp"] = ltp
    row["depth"]["bid_price"][:, 0] = fields.pop("bid", ltp - 0.5)
    row["depth"]["ask_price"][:, 0] = fields.pop("ask", ltp + 0.5)
    row["depth"]["bid_quantity"][:, 0] = fields.pop("bid_quantity", 75)
    row["depth"]["ask_quantity"][:, 0] = fields.pop("ask_quantity", 150)
    row["previous_close"] = fields.pop("previous_close", 90.0)
    for name, value in fields.items():
        row[name] = value
    return row


def make_frame(
    *rows: Rows,
    sequence: int,
    kind: FrameKind = FrameKind.CHANGES,
    connection: int = 1,
    epoch: int = 7,
    sent_at_ms: int = 1_000,
) -> BusFrame:
    packed = np.concatenate(rows) if rows else np.zeros(0, dtype=QUOTE_ROW)
    return BusFrame(kind, connection, epoch, sequence, sent_at_ms, packed)
