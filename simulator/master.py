"""Reads an instrument master as a listing.

`marketdata.dhan.scrip_master` parses the rows. Contracts that expired before the market date are not listed, but the
file is served unchanged. A bond or right that shares the symbol of its company has a separate driver.
"""

import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from marketdata.dhan import scrip_master
from marketdata.dhan.scrip_master import MasterRow
from marketdata.domain.instruments import InstrumentKey, InstrumentType
from simulator.instrument_files import InstrumentFiles, open_plain
from simulator.listing import Listed

SHARE = "ES"
# Series (NSE) and groups (BSE) in which a company's ordinary shares trade.
SHARE_SERIES = frozenset(("EQ", "BE", "BZ", "A", "B", "T", "X", "XT"))


class MasterError(Exception):
    """The file is not an instrument master; the text is a sentence."""


def read_master(path: Path, *, today: date) -> InstrumentFiles:
    """Return the listing of the file at `path` as of `today`. Raises MasterError if it is not an instrument master."""
    try:
        reading = scrip_master.read_rows(_lines(path), as_of=today)
        listing = [_listed(row) for row in reading]
    except scrip_master.MasterRefused as error:
        raise MasterError(f"{path} is not an instrument master. {error}") from error
    except OSError as error:
        raise MasterError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (EOFError, zlib.error, UnicodeDecodeError) as error:
        raise MasterError(f"{path} cannot be read: {error}.") from error
    if not listing:
        raise MasterError(f"{path} lists nothing on {today}: all contracts expired before.")
    return InstrumentFiles(listing, master=path, layout=reading.layout)


def _lines(path: Path) -> Iterator[str]:
    with open_plain(path) as file:
        for line in file:
            yield line.decode("utf-8")


def _listed(row: MasterRow) -> Listed:
    # Bonds and rights have the symbol of their company: their series makes their driver distinct.
    is_share = row.instrument_type is not InstrumentType.EQUITY or (
        row.security_type == SHARE or row.series in SHARE_SERIES
    )
    return Listed(
        key=InstrumentKey(row.segment, row.security_id),
        exchange=row.exchange,
        type=row.instrument_type,
        underlying=row.underlying_symbol if is_share else f"{row.underlying_symbol} {row.series}",
        symbol=row.token,
        display_name=row.display_name,
        tick=float(row.tick_size),
        lot=row.lot_size,
        expiry=row.expiry,
        strike=None if row.strike is None else float(row.strike),
        option_type=row.option_type,
        company=row.company,
        series=row.series,
    )
