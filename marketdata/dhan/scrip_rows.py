"""Parser of one row of the broker's instrument file: an instrument, or the reason why it is skipped.

Sources of the rules: the compact file of 10 Feb 2026 (complete, 273,027 rows) and rows of the detailed file of 2025,
Apr 2026 and Sep 2026. Rules for a whole file are in `scrip_master`.
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
from marketdata.domain.list_rules import SkipReason
from marketdata.domain.symbols import canonical_symbol

# The lengths of the database columns (`marketdata.models`).
MAX_SYMBOL_LENGTH: Final = 64
MAX_NAME_LENGTH: Final = 128
MAX_SECURITY_ID: Final = 2**32 - 1  # 32 bits in the packets of the feed
MAX_QUANTITY: Final = 2**31 - 1  # PostgreSQL's integer
MAX_STRIKE: Final = 100_000_000  # eight digits before the point, as the database column has
MAX_PRICE: Final = 10**10  # ten digits before the point, as the columns of the price limits have
PRICE_DECIMALS: Final = 4  # of the same columns
# Chosen: above every number of the file. A larger exponent would make a text of as many zeros: up to 10^18.
MAX_EXPONENT: Final = 20
MAX_CODE_LENGTH: Final = 32  # Chosen: the codes of security types have at most six letters.

# Segment of the feed by exchange and segment letter. Commodities of NSE (NSE, M) have no segment in the feed.
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

# Security ids (IDX_I) of the indices with derivatives, and the symbol of these. The id identifies a key index: the name
# in its row differs from file to file (NIFTY 50 for NIFTY), or always (38 is NIFTY NEXT 50, 83 is SNSX50).
KEY_INDICES: Final[Mapping[int, str]] = {
    13: "NIFTY",
    25: "BANKNIFTY",
    27: "FINNIFTY",
    38: "NIFTYNXT50",
    51: "SENSEX",
    69: "BANKEX",
    83: "SENSEX50",
    442: "MIDCPNIFTY",
}
_KEY_SYMBOLS: Final = frozenset(KEY_INDICES.values())
# 00:00 IST as UTC: the day before the timestamp's time is not the day in IST.
_UTC_MIDNIGHT: Final = "18:30:00"

# Security type of ordinary shares; the cash segments also list bonds, funds, bills and rights.
SHARE: Final = "ES"


class Layout(StrEnum):
    """The two formats of the broker's file."""

    COMPACT = "compact"
    DETAILED = "detailed"


@dataclass(frozen=True, slots=True)
class MasterRow:
    """One instrument as listed; prices in rupees."""

    segment: ExchangeSegment
    security_id: int
    exchange: Exchange
    instrument_type: InstrumentType
    # For an index or a cash instrument: its own symbol, in the spelling of its derivatives.
    underlying_symbol: str
    # For a cash instrument: its symbol, which several rows can share.
    token: str
    display_name: str
    # Name of the company or issuer; empty for derivatives.
    company: str
    isin: str
    series: str
    # The broker's code for the kind of cash instrument; see SHARE.
    security_type: str
    expiry: date | None
    strike: Decimal | None
    option_type: OptionType | None
    lot_size: int
    tick_size: Decimal
    upper_limit: Decimal | None
    lower_limit: Decimal | None
    freeze_quantity: int | None


@dataclass(frozen=True, slots=True)
class ExpiredRow:
    """The key of a contract that expired before the date of the import."""

    segment: ExchangeSegment
    security_id: int
    instrument_type: InstrumentType
    expiry: date


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
# The texts for "no value" of both formats and all generations.
_NONE_WORDS: Final = frozenset({"", "NA", "N", "0001-01-01", "01/01/0001", "1/1/0001"})


class RowParser:
    """Parser of the rows of one file. It caches conversions, because the same texts repeat thousands of times."""

    def __init__(self, layout: Layout, header: Sequence[str], spellings: Mapping[str, str]) -> None:
        self._is_compact = layout is Layout.COMPACT
        self._spellings = spellings
        self._at = {field: header.index(name) for field, name in COLUMNS[layout].items() if name in header}
        self._types = {one.value: one for one in InstrumentType}
        self._dates: dict[str, date | None] = {}
        self._numbers: dict[str, Decimal | None] = {}

    def parse(self, fields: Sequence[str], as_of: date) -> MasterRow | ExpiredRow | SkipReason:
        """Return the instrument in one row of the right width, the key of an expired one, or why it is skipped."""
        at = self._at
        place = SEGMENT_OF.get((fields[at["exchange"]].strip(), fields[at["segment"]].strip()))
        if place is None:
            return SkipReason.NO_FEED_SEGMENT
        instrument_type = self._types.get(fields[at["instrument"]].strip())
        if instrument_type is None:
            return SkipReason.UNKNOWN_TYPE
        try:
            symbol = self._symbol(fields[at["symbol"]].strip(), instrument_type)
            # NSE lists 18 dummy futures, 011NSETEST to 181NSETEST.
            if symbol.endswith("NSETEST"):
                return SkipReason.TEST
            expiry = self._date(fields[at["expiry"]])
            # Expired rows stay in the file: most of the currency derivatives, others for a day.
            if expiry is not None and expiry < as_of:
                return ExpiredRow(place[0], self._security_id(fields), instrument_type, expiry)
            if instrument_type.is_option or instrument_type.is_future:
                return self._derivative(fields, place, instrument_type, symbol, expiry)
            return self._plain(fields, place, instrument_type, symbol)
        except NoIstDay:
            return SkipReason.NO_IST_DAY
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
            raise ValueError("a derivative without an expiry")
        # A future has a strike of -0.01 (NSE) or 0 (BSE, MCX) and the option type XX or none: neither is read.
        strike = option_type = None
        if instrument_type.is_option:
            option_type = OptionType(fields[at["option_type"]].strip())
            strike = self._price(fields[at["strike"]])
            if strike is None or strike >= MAX_STRIKE or strike != round(strike, PRICE_DECIMALS):
                raise ValueError("an option without a valid strike")
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
            symbol = self._index_symbol(self._security_id(fields), symbol.upper())
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
        # In paise, but in rupees on index rows. A tick size of 0 means unknown (some indices). The bound catches a
        # change of the unit: the largest tick size seen is 5 rupees.
        tick_size = tick if instrument_type is InstrumentType.INDEX else tick / 100
        if not 0 <= tick_size < 10_000:
            raise ValueError("the tick size is out of range")
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
            security_type=_none_as_empty(fields[at["security_type"]])[:MAX_CODE_LENGTH] if is_cash else "",
            expiry=expiry,
            strike=strike,
            option_type=option_type,
            lot_size=self._lot(fields[at["lot"]]),
            tick_size=tick_size,
            upper_limit=self._price(self._text(fields, "upper_limit")),
            lower_limit=self._price(self._text(fields, "lower_limit")),
            freeze_quantity=self._freeze(self._text(fields, "freeze")),
        )

    def _index_symbol(self, security_id: int, written: str) -> str:
        symbol = KEY_INDICES.get(security_id)
        if symbol is None:
            return self._spellings.get(written, written)
        named = canonical_symbol(written)
        if named != symbol and named in _KEY_SYMBOLS:
            raise ValueError("the row of a key index has the symbol of another one")
        return symbol

    def _text(self, fields: Sequence[str], name: str) -> str:
        position = self._at.get(name)
        return "" if position is None else fields[position]

    def _symbol(self, text: str, instrument_type: InstrumentType) -> str:
        # The compact file has the underlying only in the trading symbol: NIFTY-Feb2026-26000-CE. From the right,
        # because names have hyphens (BAJAJ-AUTO). Its symbol name is empty for NSE and a mnemonic for BSE.
        if self._is_compact and instrument_type.is_option:
            symbol, _, _, _ = text.rsplit("-", 3)
        elif self._is_compact and instrument_type.is_future:
            symbol, _, _ = text.rsplit("-", 2)
        else:
            symbol = text
        if not symbol or len(symbol) > MAX_SYMBOL_LENGTH or not symbol.isprintable():
            raise ValueError("the symbol is missing or invalid")
        return symbol

    def _security_id(self, fields: Sequence[str]) -> int:
        security_id = int(fields[self._at["security_id"]])
        if not 0 <= security_id <= MAX_SECURITY_ID:
            raise ValueError("the security id is out of range")
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
        if value is not None and value >= MAX_PRICE:
            raise ValueError("the price is out of range")
        return value if value is not None and value > 0 else None

    def _lot(self, text: str) -> int:
        value = self._number(text)
        if value is None or not 1 <= value <= MAX_QUANTITY:
            raise ValueError("the lot size is missing or out of range")
        return int(value)

    def _freeze(self, text: str) -> int | None:
        value = self._price(text)
        # Zero and negative values mean that there is no freeze quantity.
        return None if value is None or value > MAX_QUANTITY else int(value)


_SLASHED = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})", re.ASCII)


_SEPARATOR = re.compile(r"(?<=\d)T(?=\d)", re.ASCII)
# A zone after the time of the day, unless it is that of IST: Z, UTC, +00:00.
_ZONE = re.compile(r"[A-Za-z]|[+-](?!05:?30$)", re.ASCII)


class NoIstDay(ValueError):
    """A date text from which the day in IST cannot be read: a timestamp of another zone, a serial number, a month."""


def parse_date(text: str) -> date | None:
    """Return the date at the start of `text`; None for the broker's texts for no date. Raises NoIstDay.

    >>> parse_date("2026-02-17 14:30:00"), parse_date("27/11/36"), parse_date("0001-01-01")
    (datetime.date(2026, 2, 17), datetime.date(2036, 11, 27), None)
    """
    # The time of the day differs by exchange and by month of the file. It is read only to recognize another time zone.
    day, _, time = _SEPARATOR.sub(" ", text.strip()).partition(" ")
    if day in _NONE_WORDS:
        return None
    if time.startswith(_UTC_MIDNIGHT) or _ZONE.search(time.removesuffix("IST")):
        raise NoIstDay("the time of the day is not in IST")
    try:
        # A file that a spreadsheet saved has the day first (27/11/36), and 1 instead of 1.0.
        if slashed := _SLASHED.fullmatch(day):
            year = int(slashed[3])
            return date(year if year > 99 else 2000 + year, int(slashed[2]), int(slashed[1]))
        return date.fromisoformat(day)
    except ValueError as error:
        raise NoIstDay("the text has no day") from error


def _decimal(text: str) -> Decimal | None:
    stripped = text.strip()
    if stripped in _NONE_WORDS:
        return None
    value = Decimal(stripped)
    if not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT:
        raise ValueError("the number is not finite, or of an impossible size")
    # Without trailing zeros, so that equal values have equal texts.
    return Decimal(format_strike(value))


def _name(text: str) -> str:
    name = " ".join(text.split())[:MAX_NAME_LENGTH]
    return name if name.isprintable() else ""


def _none_as_empty(text: str) -> str:
    stripped = text.strip()
    return "" if stripped in _NONE_WORDS or not stripped.isprintable() else stripped
