"""The demo listing in the formats of the broker's two instrument files, line by line.

Columns, number formats and quirks are those of the compact file of 10 Feb 2026 and the detailed file of Aug 2026: no
newline at the end of either, a trailing comma on every line of the detailed one, ticks in paise but for indices in
rupees, `-0.01000` as the strike of an NSE future. No row has an ISIN, because an invented one could be real.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from marketdata.dhan.scrip_master import Layout
from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentType
from simulator.listing import Listed, Listing
from simulator.underlyings import COMMODITIES, INDICES

COMPACT_HEADER = (
    "SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_EXPIRY_CODE,SEM_TRADING_SYMBOL,"
    "SEM_LOT_UNITS,SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXPIRY_FLAG,"
    "SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES,SM_SYMBOL_NAME"
)
DETAILED_HEADER = (
    "EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,DISPLAY_NAME,"
    "INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE,EXPIRY_FLAG,BRACKET_FLAG,"
    "COVER_FLAG,ASM_GSM_FLAG,ASM_GSM_CATEGORY,BUY_SELL_INDICATOR,BUY_CO_MIN_MARGIN_PER,BUY_CO_SL_RANGE_MAX_PERC,"
    "BUY_CO_SL_RANGE_MIN_PERC,BUY_BO_MIN_MARGIN_PER,BUY_BO_PROFIT_RANGE_MAX_PERC,BUY_BO_PROFIT_RANGE_MIN_PERC,"
    "MTF_LEVERAGE,SM_UPPER_LIMIT,SM_LOWER_LIMIT,SM_FREEZE_QTY,"
)
SEGMENT_LETTER = {
    ExchangeSegment.IDX_I: "I",
    ExchangeSegment.NSE_EQ: "E",
    ExchangeSegment.BSE_EQ: "E",
    ExchangeSegment.NSE_FNO: "D",
    ExchangeSegment.BSE_FNO: "D",
    ExchangeSegment.MCX_COMM: "M",
}
# Follows the expiry date in the compact file; it has no meaning.
EXPIRY_TIME = {Exchange.NSE: "14:30:00", Exchange.BSE: "15:30:00", Exchange.MCX: "23:30:00"}
FREEZE_LOTS = 27  # chosen: the order of magnitude of the real freeze quantities
NO_ISIN = "NA"
LINES_PER_CHUNK = 2_000  # chosen: about 256 KiB a chunk, so a download does not delay the feed's turns
CHUNK_BYTES = 1 << 18  # the same


def compact_lines(listing: Listing) -> Iterator[str]:
    """Yield the compact file's lines without their newlines."""
    flags = _expiry_flags(listing)
    yield COMPACT_HEADER
    for row in listing:
        expiry = ""
        if row.type is InstrumentType.INDEX:
            expiry = "0001-01-01"
        elif row.expiry is not None:
            expiry = f"{row.expiry} {EXPIRY_TIME[row.exchange]}"
        yield ",".join(
            (
                row.exchange,
                SEGMENT_LETTER[row.key.segment],
                str(row.key.security_id),
                row.type,
                "0",
                row.symbol,
                f"{row.lot}.0",
                row.display_name,
                expiry,
                _strike(row),
                _option_type(row),
                _tick(row),
                _expiry_flag(row, flags),
                _exchange_type(row),
                _series(row),
                row.company,
            )
        )


def detailed_lines(listing: Listing) -> Iterator[str]:
    """Yield the detailed file's lines without their newlines."""
    flags = _expiry_flags(listing)
    underlying_ids = _underlying_ids(listing)
    yield DETAILED_HEADER
    for row in listing:
        yield ",".join(
            (
                row.exchange,
                SEGMENT_LETTER[row.key.segment],
                str(row.key.security_id),
                NO_ISIN,
                row.type,
                underlying_ids.get((row.exchange, row.type, row.underlying), ""),
                row.symbol if row.type is InstrumentType.INDEX else row.underlying,
                _symbol_name(row),
                row.display_name,
                _exchange_type(row),
                _series(row) or "NA",
                f"{row.lot}.0",
                "0001-01-01" if row.type is InstrumentType.INDEX else str(row.expiry or ""),
                _strike(row),
                _option_type(row),
                _tick(row),
                _expiry_flag(row, flags) or "N",
                "N,N,N,NA,A,0,0,0,0,0,0,0,0,0",
                str(FREEZE_LOTS * row.lot + 1 if row.expiry else 0),
                "",
            )
        )


def _expiry_flags(listing: Listing) -> dict[tuple[str, date], str]:
    """Return M for the last expiry of a calendar month, W for the others, by underlying and expiry."""
    last: dict[tuple[str, int, int], date] = {}
    for row in listing:
        if row.expiry is not None:
            month = (row.underlying, row.expiry.year, row.expiry.month)
            last[month] = max(last.get(month, row.expiry), row.expiry)
    return {
        (row.underlying, row.expiry): (
            "M" if last[row.underlying, row.expiry.year, row.expiry.month] == row.expiry else "W"
        )
        for row in listing
        if row.expiry is not None
    }


def _expiry_flag(row: Listed, flags: dict[tuple[str, date], str]) -> str:
    if row.type is InstrumentType.INDEX:
        return ""
    if row.expiry is None:
        return "NA"
    return "M" if row.exchange is Exchange.MCX else flags[row.underlying, row.expiry]


def _underlying_ids(listing: Listing) -> dict[tuple[str, str, str], str]:
    """Return the id of the underlying by exchange, type and symbol: index token, NSE share, or commodity id."""
    ids: dict[tuple[str, str, str], str] = {}
    for index in INDICES:
        ids[index.exchange, InstrumentType.INDEX, index.symbol] = str(index.security_id)
        for kind in (InstrumentType.FUTIDX, InstrumentType.OPTIDX):
            ids[index.exchange, kind, index.symbol] = str(index.exchange_token)
    # The file has an id for the commodity itself, which is not in the listing.
    for commodity in COMMODITIES:
        for kind in (InstrumentType.FUTCOM, InstrumentType.OPTFUT):
            ids[Exchange.MCX, kind, commodity.symbol] = str(commodity.commodity_id)
    for row in listing:
        if row.key.segment in {ExchangeSegment.NSE_EQ, ExchangeSegment.BSE_EQ}:
            for kind in (InstrumentType.FUTSTK, InstrumentType.OPTSTK):
                ids[row.exchange, kind, row.underlying] = str(row.key.security_id)
    return ids


def _strike(row: Listed) -> str:
    # Futures have a strike too in the real files: -0.01 on NSE, 0 elsewhere.
    if row.strike is not None:
        return f"{row.strike:.5f}"
    if row.expiry is None:
        return ""
    return "-0.01000" if row.exchange is Exchange.NSE else "0.00000"


def _option_type(row: Listed) -> str:
    if row.option_type is not None:
        return row.option_type
    is_blank = row.type is InstrumentType.EQUITY or (row.type.is_future and row.exchange is Exchange.BSE)
    return "" if is_blank else "XX"


def _tick(row: Listed) -> str:
    return f"{row.tick if row.type is InstrumentType.INDEX else row.tick * 100:.4f}"


def _exchange_type(row: Listed) -> str:
    if row.type is InstrumentType.EQUITY:
        return "ES"
    if row.exchange is Exchange.NSE and row.type is not InstrumentType.INDEX:
        return "OP" if row.type.is_option else "FUT"
    return row.type


def _series(row: Listed) -> str:
    return "2" if row.exchange is Exchange.MCX else row.series


def _symbol_name(row: Listed) -> str:
    if row.type is InstrumentType.EQUITY or row.exchange is Exchange.MCX:
        return row.company
    # BSE contracts have their mnemonic in this column, as in the real file.
    is_bse_contract = row.exchange is Exchange.BSE and row.expiry is not None
    return row.company if is_bse_contract else row.symbol


@dataclass(frozen=True, slots=True)
class InstrumentFiles:
    """A listing, and the master it was read from, if any."""

    listing: Listing
    master: Path | None = None
    layout: Layout = Layout.COMPACT

    def chunks(self, wanted: Layout) -> Iterator[bytes] | None:
        """Return the file in chunks: a given master unchanged, or the demo listing. None if it does not exist."""
        if self.master is None:
            lines = compact_lines if wanted is Layout.COMPACT else detailed_lines
            return _joined(lines(self.listing))
        return _file_chunks(self.master) if wanted is self.layout else None


def _joined(lines: Iterator[str]) -> Iterator[bytes]:
    """Join `lines` by newlines, without one at the end, as in the broker's files."""
    yield next(lines).encode("ascii")
    for batch in batched(lines, LINES_PER_CHUNK):
        yield "".join(f"\n{line}" for line in batch).encode("ascii")


def batched(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    """Yield `lines` in lists of `size`; the last one may be shorter."""
    while batch := list(islice(lines, size)):
        yield batch


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading; a gzip file is decompressed."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return cast("BinaryIO", gzip.open(path)) if is_gzip else path.open("rb")


def _file_chunks(path: Path) -> Iterator[bytes]:
    with open_plain(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
