"""A row of the broker's instrument file -> an instrument, or the reason it is left out.

Field rules and their sources: the compact file of 10 Feb 2026 (complete, 273,027 rows) and rows of the detailed file
of 2025, Apr 2026 and Sep 2026. Ticks are in paise but for indices, which have rupees; futures carry strikes of -0.01
or 0; an underlying is read off the trading symbol in the compact file, because symbol names are blank or mnemonics
there; the expiry flag contradicts itself and is not read; files that went through a spreadsheet have `1` for `1.0`
and `27/11/36` for a date. Which rows hang together in a whole file is `scrip_master`'s to know.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from marketdata.domain.instruments import (
    Exchange,
    ExchangeSegment,
    InstrumentType,
    OptionType,
    format_strike,
    future_token,
    option_token,
)

MAX_SYMBOL_LENGTH: Final = 64
MAX_NAME_LENGTH: Final = 128
MAX_SECURITY_ID: Final = 2**32 - 1  # The feed's packets carry it in 32 bits.
MAX_QUANTITY: Final = 2**31 - 1
MAX_STRIKE: Final = 100_000_000

SEGMENT_OF: Final[Mapping[tuple[str, str], tuple[ExchangeSegment, Exchange]]] = {
    ("NSE", "I"): (ExchangeSegment.IDX_I, Exchange.NSE),
    ("BSE", "I"): (ExchangeSegment.IDX_I, Exchange.BSE),
    ("NSE", "E"): (ExchangeSegment.NSE_EQ, Exchange.NSE),
    ("BSE", "E"): (ExchangeSegment.BSE_EQ, Exchange.BSE),
    ("NSE", "D"): (ExchangeSegment.NSE_FNO, Exchange.NSE),
    ("BSE", "D"): (ExchangeSegment.BSE_FNO, Exchange.BSE),
    ("NSE", "C"): (ExchangeSegment.NSE_CURRENCY, Exchange.NSE),
    ("BSE", "C"): (ExchangeSegment.BSE_CURRENCY, Exchange.BSE),
    ("MCX", "M"): (ExchangeSegment.MCX_COMM, Exchange.MCX),
}
"""Exchange and segment letter -> where the feed carries it. NSE's commodities (NSE, M) have no feed segment."""

DERIVATIVE_SYMBOL_OF_INDEX: Final[Mapping[int, str]] = {38: "NIFTYNXT50", 83: "SENSEX50"}
"""Security id (IDX_I) of indices whose derivatives write another symbol than the index row does."""

SHARE: Final = "ES"
"""Security type of ordinary shares, among bonds, funds, bills and rights of the cash segments."""


class Layout(StrEnum):
    """Which of the broker's two files."""

    COMPACT = "compact"
    DETAILED = "detailed"


class SkipReason(StrEnum):
    """Why a row is left out."""

    EXPIRED = "expired"
    TEST = "test"
    NO_FEED_SEGMENT = "no feed segment"
    UNKNOWN_TYPE = "unknown instrument type"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class MasterRow:
    """One instrument as listed; prices in rupees."""

    segment: ExchangeSegment
    security_id: int
    exchange: Exchange
    instrument_type: InstrumentType
    # Of an index or a cash instrument its own symbol, as its derivatives write it.
    underlying_symbol: str
    # Of a cash instrument only its symbol, which several rows may share.
    token: str
    display_name: str
    # The company's or issuer's name; empty for derivatives.
    company: str
    isin: str
    series: str
    # The broker's word for what kind of cash instrument it is; see SHARE.
    security_type: str
    expiry: date | None
    strike: Decimal | None
    option_type: OptionType | None
    lot_size: int
    tick_size: Decimal
    upper_limit: Decimal | None
    lower_limit: Decimal | None
    freeze_quantity: int | None


COLUMNS: Final[Mapping[Layout, Mapping[str, str]]] = {
    Layout.COMPACT: {
        "exchange": "SEM_EXM_EXCH_ID",
        "segment": "SEM_SEGMENT",
        "security_id": "SEM_SMST_SECURITY_ID",
        "instrument": "SEM_INSTRUMENT_NAME",
        "symbol": "SEM_TRADING_SYMBOL",
        "lot": "SEM_LOT_UNITS",
        "display_name": "SEM_CUSTOM_SYMBOL",
        "expiry": "SEM_EXPIRY_DATE",
        "strike": "SEM_STRIKE_PRICE",
        "option_type": "SEM_OPTION_TYPE",
        "tick": "SEM_TICK_SIZE",
        "security_type": "SEM_EXCH_INSTRUMENT_TYPE",
        "series": "SEM_SERIES",
        "company": "SM_SYMBOL_NAME",
    },
    Layout.DETAILED: {
        "exchange": "EXCH_ID",
        "segment": "SEGMENT",
        "security_id": "SECURITY_ID",
        "instrument": "INSTRUMENT",
        "symbol": "UNDERLYING_SYMBOL",
        "lot": "LOT_SIZE",
        "display_name": "DISPLAY_NAME",
        "expiry": "SM_EXPIRY_DATE",
        "strike": "STRIKE_PRICE",
        "option_type": "OPTION_TYPE",
        "tick": "TICK_SIZE",
        "security_type": "INSTRUMENT_TYPE",
        "series": "SERIES",
        "company": "SYMBOL_NAME",
        "isin": "ISIN",
        "upper_limit": "SM_UPPER_LIMIT",
        "lower_limit": "SM_LOWER_LIMIT",
        "freeze": "SM_FREEZE_QTY",
    },
}
OPTIONAL_FIELDS: Final = frozenset({"isin", "upper_limit", "lower_limit", "freeze", "company"})
_NONE_WORDS: Final = frozenset({"", "NA", "N", "0001-01-01", "01/01/0001", "1/1/0001"})


class RowParser:
    """Turns the fields of one row into values. Texts repeat in their thousands, so conversions are remembered."""

    def __init__(self, layout: Layout, header: Sequence[str]) -> None:
        self._is_compact = layout is Layout.COMPACT
        self._at = {field: header.index(name) for field, name in COLUMNS[layout].items() if name in header}
        self._types = {one.value: one for one in InstrumentType}
        self._dates: dict[str, date | None] = {}
        self._numbers: dict[str, Decimal | None] = {}

    def parse(self, fields: Sequence[str], as_of: date) -> MasterRow | SkipReason:
        """Return the instrument in one row of the right width, or why it is left out."""
        at = self._at
        place = SEGMENT_OF.get((fields[at["exchange"]].strip(), fields[at["segment"]].strip()))
        if place is None:
            return SkipReason.NO_FEED_SEGMENT
        instrument_type = self._types.get(fields[at["instrument"]].strip())
        if instrument_type is None:
            return SkipReason.UNKNOWN_TYPE
        try:
            symbol = self._symbol(fields[at["symbol"]].strip(), instrument_type)
            if symbol.endswith("NSETEST"):
                return SkipReason.TEST
            expiry = self._date(fields[at["expiry"]])
            if expiry is not None and expiry < as_of:
                return SkipReason.EXPIRED
            if instrument_type.is_option or instrument_type.is_future:
                return self._derivative(fields, place, instrument_type, symbol, expiry)
            return self._plain(fields, place, instrument_type, symbol)
        except (ValueError, InvalidOperation):
            return SkipReason.MALFORMED

    def _derivative(
        self,
        fields: Sequence[str],
        place: tuple[ExchangeSegment, Exchange],
        instrument_type: InstrumentType,
        symbol: str,
        expiry: date | None,
    ) -> MasterRow:
        at = self._at
        if expiry is None:
            raise ValueError("a derivative without expiry")
        strike = option_type = None
        if instrument_type.is_option:
            option_type = OptionType(fields[at["option_type"]].strip())
            strike = self._price(fields[at["strike"]])
            if strike is None or strike >= MAX_STRIKE:
                raise ValueError("an option without strike")
            token = option_token(underlying=symbol, expiry=expiry, strike=strike, option_type=option_type)
        else:
            token = future_token(underlying=symbol, expiry=expiry)
        return self._row(fields, place, instrument_type, symbol, token, (expiry, strike, option_type))

    def _plain(
        self,
        fields: Sequence[str],
        place: tuple[ExchangeSegment, Exchange],
        instrument_type: InstrumentType,
        symbol: str,
    ) -> MasterRow:
        if instrument_type is InstrumentType.INDEX:
            security_id = self._security_id(fields)
            symbol = DERIVATIVE_SYMBOL_OF_INDEX.get(security_id, symbol.upper())
        return self._row(fields, place, instrument_type, symbol, symbol, (None, None, None))

    def _row(
        self,
        fields: Sequence[str],
        place: tuple[ExchangeSegment, Exchange],
        instrument_type: InstrumentType,
        symbol: str,
        token: str,
        contract: tuple[date | None, Decimal | None, OptionType | None],
    ) -> MasterRow:
        at = self._at
        is_cash = instrument_type is InstrumentType.EQUITY
        tick = self._number(fields[at["tick"]]) or Decimal(0)
        # Paise, but rupees on index rows.
        tick_size = tick if instrument_type is InstrumentType.INDEX else tick / 100
        if not 0 <= tick_size < 10_000:
            raise ValueError("a tick out of bounds")
        expiry, strike, option_type = contract
        return MasterRow(
            segment=place[0],
            security_id=self._security_id(fields),
            exchange=place[1],
            instrument_type=instrument_type,
            underlying_symbol=symbol,
            token=token,
            display_name=_name(fields[at["display_name"]]),
            company=_name(self._text(fields, "company")) if is_cash else "",
            isin=_none_as_empty(self._text(fields, "isin"))[:12],
            series=_none_as_empty(fields[at["series"]])[:16] if is_cash else "",
            security_type=fields[at["security_type"]].strip() if is_cash else "",
            expiry=expiry,
            strike=strike,
            option_type=option_type,
            lot_size=self._lot(fields[at["lot"]]),
            tick_size=tick_size,
            upper_limit=self._price(self._text(fields, "upper_limit")),
            lower_limit=self._price(self._text(fields, "lower_limit")),
            freeze_quantity=self._freeze(self._text(fields, "freeze")),
        )

    def _text(self, fields: Sequence[str], name: str) -> str:
        position = self._at.get(name)
        return "" if position is None else fields[position]

    def _symbol(self, text: str, instrument_type: InstrumentType) -> str:
        if self._is_compact and instrument_type.is_option:
            symbol, _, _, _ = text.rsplit("-", 3)
        elif self._is_compact and instrument_type.is_future:
            symbol, _, _ = text.rsplit("-", 2)
        else:
            symbol = text
        if not symbol or len(symbol) > MAX_SYMBOL_LENGTH or not symbol.isprintable():
            raise ValueError("no symbol")
        return symbol

    def _security_id(self, fields: Sequence[str]) -> int:
        security_id = int(fields[self._at["security_id"]])
        if not 0 <= security_id <= MAX_SECURITY_ID:
            raise ValueError("a security id out of bounds")
        return security_id

    def _date(self, text: str) -> date | None:
        try:
            return self._dates[text]
        except KeyError:
            found = self._dates[text] = parse_date(text)
            return found

    def _number(self, text: str) -> Decimal | None:
        try:
            return self._numbers[text]
        except KeyError:
            found = self._numbers[text] = _decimal(text)
            return found

    def _price(self, text: str) -> Decimal | None:
        value = self._number(text)
        return value if value is not None and value > 0 else None

    def _lot(self, text: str) -> int:
        value = self._number(text)
        if value is None or not 1 <= value <= MAX_QUANTITY:
            raise ValueError("no lot")
        return int(value)

    def _freeze(self, text: str) -> int | None:
        value = self._price(text)
        return None if value is None or value > MAX_QUANTITY else int(value)


_SLASHED = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})", re.ASCII)


def parse_date(text: str) -> date | None:
    """Return the date at the start of `text`, whose time part means nothing; None for none.

    Day first where a spreadsheet wrote it. Raises ValueError for anything else.

    >>> parse_date("2026-02-17 14:30:00"), parse_date("27/11/36"), parse_date("0001-01-01")
    (datetime.date(2026, 2, 17), datetime.date(2036, 11, 27), None)
    """
    day = text.strip().partition(" ")[0]
    if day in _NONE_WORDS:
        return None
    if slashed := _SLASHED.fullmatch(day):
        year = int(slashed[3])
        return date(year if year > 99 else 2000 + year, int(slashed[2]), int(slashed[1]))
    return date.fromisoformat(day)


def _decimal(text: str) -> Decimal | None:
    stripped = text.strip()
    if stripped in _NONE_WORDS:
        return None
    value = Decimal(stripped)
    if not value.is_finite():
        raise ValueError("not a number")
    # As short as it goes, so that values that are equal are written alike.
    return Decimal(format_strike(value))


def _name(text: str) -> str:
    name = " ".join(text.split())[:MAX_NAME_LENGTH]
    return name if name.isprintable() else ""


def _none_as_empty(text: str) -> str:
    stripped = text.strip()
    return "" if stripped in _NONE_WORDS or not stripped.isprintable() else stripped
