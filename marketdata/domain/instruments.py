"""Names of listed instruments: segments, types, keys, series and tokens.

The numbers of `ExchangeSegment` are the broker's (DhanHQ v2 annexure, read November 2026).
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import IntEnum, StrEnum
from functools import lru_cache


class Exchange(StrEnum):
    """Where an instrument is listed."""

    NSE = "NSE"
    BSE = "BSE"
    MCX = "MCX"


class ExchangeSegment(IntEnum):
    """Market that a security id belongs to; the value is the byte in every packet."""

    IDX_I = 0
    NSE_EQ = 1
    NSE_FNO = 2
    NSE_CURRENCY = 3
    BSE_EQ = 4
    MCX_COMM = 5
    # 6 is not in use (annexure).
    BSE_CURRENCY = 7
    BSE_FNO = 8


class InstrumentType(StrEnum):
    """Type of an instrument; the values are the broker's names."""

    INDEX = "INDEX"
    EQUITY = "EQUITY"
    FUTIDX = "FUTIDX"
    FUTSTK = "FUTSTK"
    FUTCOM = "FUTCOM"
    FUTCUR = "FUTCUR"
    OPTIDX = "OPTIDX"
    OPTSTK = "OPTSTK"
    OPTFUT = "OPTFUT"
    OPTCUR = "OPTCUR"

    @property
    def is_option(self) -> bool:
        """Whether it has a strike and an option type."""
        return self.value.startswith("OPT")

    @property
    def is_future(self) -> bool:
        """Whether it is a future."""
        return self.value.startswith("FUT")


class OptionType(StrEnum):
    """Call or put; CE and PE are the exchanges' names (European exercise)."""

    CE = "CE"
    PE = "PE"


@dataclass(frozen=True, slots=True, order=True)
class InstrumentKey:
    """Identity of an instrument at the broker."""

    # Both parts, always: security ids repeat across segments. IDX_I 13 is NIFTY, NSE_EQ 13 is ABB (docs/dhan.md).
    segment: ExchangeSegment
    security_id: int

    def __str__(self) -> str:
        return f"{self.segment.name}:{self.security_id}"


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """All listed options of one underlying and one expiry, in one segment."""

    # Part of the key, because NSE and BSE list options of the same shares under the same symbols (RELIANCE).
    segment: ExchangeSegment
    underlying: str
    expiry: date

    def __str__(self) -> str:
        return f"{self.underlying} {self.expiry:%d %b %Y}"


# Exchange of each segment. IDX_I is missing: NSE and BSE share it.
EXCHANGE_OF: dict[ExchangeSegment, Exchange] = {
    ExchangeSegment.NSE_EQ: Exchange.NSE,
    ExchangeSegment.NSE_FNO: Exchange.NSE,
    ExchangeSegment.NSE_CURRENCY: Exchange.NSE,
    ExchangeSegment.BSE_EQ: Exchange.BSE,
    ExchangeSegment.BSE_FNO: Exchange.BSE,
    ExchangeSegment.BSE_CURRENCY: Exchange.BSE,
    ExchangeSegment.MCX_COMM: Exchange.MCX,
}

# Segment in which an exchange lists the options this product serves.
OPTION_SEGMENT_OF: dict[Exchange, ExchangeSegment] = {
    Exchange.NSE: ExchangeSegment.NSE_FNO,
    Exchange.BSE: ExchangeSegment.BSE_FNO,
    Exchange.MCX: ExchangeSegment.MCX_COMM,
}


# The import formats 190,000 expiries of a few hundred dates.
@lru_cache(maxsize=4_096)
def format_expiry(expiry: date) -> str:
    """Return the display form of the API and of tokens.

    >>> format_expiry(date(2026, 2, 26))
    '26FEB2026'
    """
    # %b depends on the locale. It is English because no code of the project calls `locale.setlocale`.
    return f"{expiry:%d%b%Y}".upper()


def format_strike(strike: Decimal) -> str:
    """Return `strike` without trailing zeros.

    >>> format_strike(Decimal("1612.5000"))
    '1612.5'
    >>> format_strike(Decimal("26000.0000"))
    '26000'
    """
    # Not `normalize`: that writes 26000 as 2.6E+4.
    text = f"{strike:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def describe_contract(
    underlying: str, expiry: date | None, strike: Decimal | None = None, option_type: str | None = None
) -> str:
    """Return an instrument or a series as traders read it in notices: an option with its strike, others without a kind.

    >>> describe_contract("NIFTY", date(2026, 12, 1), Decimal("26000.0000"), "CE")
    'NIFTY 1 Dec 26,000 CE'
    >>> describe_contract("RELIANCE", date(2026, 2, 24)), describe_contract("INDIA VIX", None)
    ('RELIANCE 24 Feb', 'INDIA VIX')
    """
    words = [underlying]
    if expiry is not None:
        words.append(f"{expiry:%-d %b}")
    if strike is not None and option_type:
        words += [group_digits(format_strike(strike)), option_type]
    return " ".join(words)


def group_digits(number: str) -> str:
    """Return a positive decimal number with Indian grouping: three digits, then pairs.

    >>> group_digits("950"), group_digits("1612.5"), group_digits("12345678")
    ('950', '1,612.5', '1,23,45,678')
    """
    whole, point, decimals = number.partition(".")
    head, groups = whole[:-3], [whole[-3:]]
    while head:
        head, pair = head[:-2], head[-2:]
        groups.insert(0, pair)
    return ",".join(groups) + point + decimals


def option_token(*, underlying: str, expiry: date, strike: Decimal, option_type: OptionType) -> str:
    """Return the readable name of a leg, without an exchange prefix.

    >>> option_token(
    ...     underlying="RELIANCE", expiry=date(2026, 2, 26), strike=Decimal("2640"), option_type=OptionType.CE
    ... )
    'RELIANCE_26FEB2026_2640CE'
    """
    return f"{underlying}_{format_expiry(expiry)}_{format_strike(strike)}{option_type}"


def future_token(*, underlying: str, expiry: date) -> str:
    """Return the readable name of a future, without an exchange prefix."""
    return f"{underlying}_{format_expiry(expiry)}_FUT"
