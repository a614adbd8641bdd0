"""Symbols of underlyings as people and platforms write them: aliases, exchange prefixes, suffixes, punctuation.

The symbol is the one that the exchange uses for derivatives. `ALIASES` lists the other names that traders and other
systems use. Whether a symbol is listed is a question for `selectors.underlyings`; `trading_symbols` reads contracts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentKey

# Keys are squeezed: upper case, without spaces, hyphens, underscores, points and slashes (`_squeezed`).
ALIASES: Final[Mapping[str, str]] = {
    "NIFTY50": "NIFTY",
    "NSEI": "NIFTY",  # Yahoo and Reuters
    "CNXNIFTY": "NIFTY",
    "NIFTYBANK": "BANKNIFTY",
    "BANKNIFTY": "BANKNIFTY",
    "BNF": "BANKNIFTY",
    "NSEBANK": "BANKNIFTY",  # Yahoo and Bloomberg
    "CNXBAN": "BANKNIFTY",  # ICICI Breeze
    "CNXBANK": "BANKNIFTY",
    "FINNIFTY": "FINNIFTY",
    "NIFTYFIN": "FINNIFTY",
    "NIFTYFINSERVICE": "FINNIFTY",
    "NIFTYFINANCIALSERVICES": "FINNIFTY",
    "CNXFINANCE": "FINNIFTY",  # TradingView
    "MIDCAPNIFTY": "MIDCPNIFTY",
    "MIDCPNIFTY": "MIDCPNIFTY",
    "NIFTYMIDCAPSELECT": "MIDCPNIFTY",
    "NIFTYMIDSELECT": "MIDCPNIFTY",  # Zerodha, TradingView
    "NIFTYNEXT50": "NIFTYNXT50",
    "NIFTYNXT50": "NIFTYNXT50",
    "NIFTYJR": "NIFTYNXT50",  # TradingView
    "NIFTYJUNIOR": "NIFTYNXT50",
    "BSESENSEX": "SENSEX",
    "BSESN": "SENSEX",  # Yahoo and Reuters
    "BSESEN": "SENSEX",  # ICICI Breeze
    "SENSEX50": "SENSEX50",
    # The broker writes SNSX50 on the row of the index and SENSEX50 on its derivatives.
    "SNSX50": "SENSEX50",
    "BSEBANKEX": "BANKEX",
    "BANKEX": "BANKEX",
    "INDIAVIX": "INDIA VIX",
    "GIFTNIFTY": "GIFTNIFTY",
    # Sector indices: CNX is the former name, which Yahoo and TradingView still use.
    "CNXIT": "NIFTYIT",
    "CNXAUTO": "NIFTY AUTO",
    "CNXPHARMA": "NIFTY PHARMA",
    "CNXFMCG": "NIFTY FMCG",
    "CNXMETAL": "NIFTY METAL",
    "CNXMEDIA": "NIFTY MEDIA",
    "CNXREALTY": "NIFTY REALTY",
    "CNXPSUBANK": "NIFTY PSU BANK",
    "CNXENERGY": "NIFTY ENERGY",
    "CNXINFRA": "NIFTYINFRA",
    "CNXCONSUM": "NIFTY CONSUMPTION",
    "CNXSERVICE": "NIFTY SERV SECTOR",
    "CNXPSE": "NIFTYPSE",
    "CNXMNC": "NIFTY MNC",
    "CNXCMDT": "NIFTY COMMODITIES",
    "CNX100": "NIFTY 100",
    "CNX200": "NIFTY 200",
    "CNX500": "NIFTY 500",
    # Shares by a common short name.
    "L&T": "LT",
    "LNT": "LT",
    "MNM": "M&M",
    "RIL": "RELIANCE",
    "SBI": "SBIN",
    "HUL": "HINDUNILVR",
    "L&TFH": "LTF",
    "L&TF": "LTF",
    # Commodities.
    "NATGAS": "NATURALGAS",
    "NATURALGASMINI": "NATGASMINI",
    "NATURALGASM": "NATGASMINI",
    "CRUDE": "CRUDEOIL",
    "CRUDEMINI": "CRUDEOILM",
    "CRUDEOILMINI": "CRUDEOILM",
    "GOLDMINI": "GOLDM",
    "SILVERMINI": "SILVERM",
    "SILVERMICRO": "SILVERMIC",
    "ALUMINUM": "ALUMINIUM",
    "ALUMINIUMMINI": "ALUMINI",
    "ALUMINUMMINI": "ALUMINI",
}

_NSE_PREFIXES: Final = "NSE NFO CDS NSE_EQ NSE_FNO NSE_FO NSE_CURRENCY NCD_FO NSE_INDEX INDEXNSE XNSE"
_BSE_PREFIXES: Final = "BSE BFO BCD BSE_EQ BSE_FNO BSE_FO BSE_CURRENCY BCD_FO BSE_INDEX INDEXBOM BOM XBOM"
# Prefix -> exchange. Sources: TradingView and Fyers (NSE), Zerodha (NFO, BFO, CDS), Upstox (NSE_FO, NSE_INDEX), Google
# (INDEXNSE, BOM), ISO 10383 (XNSE); IDX_I and INDICES name no exchange.
EXCHANGE_PREFIXES: Final[Mapping[str, Exchange | None]] = {
    **dict.fromkeys(_NSE_PREFIXES.split(), Exchange.NSE),
    **dict.fromkeys(_BSE_PREFIXES.split(), Exchange.BSE),
    **dict.fromkeys(("MCX", "MCX_FO", "MCX_COMM"), Exchange.MCX),
    **dict.fromkeys(("IDX_I", "INDICES"), None),
}
# Upstox's names of segments beside the broker's own.
SEGMENT_NAMES: Final[Mapping[str, ExchangeSegment]] = {
    **ExchangeSegment.__members__,
    "NSE_FO": ExchangeSegment.NSE_FNO,
    "BSE_FO": ExchangeSegment.BSE_FNO,
    "MCX_FO": ExchangeSegment.MCX_COMM,
    "NCD_FO": ExchangeSegment.NSE_CURRENCY,
    "BCD_FO": ExchangeSegment.BSE_CURRENCY,
}
# Suffix -> exchange, None where the suffix names none. The longest comes first.
_SUFFIXES: Final[Mapping[str, Exchange | None]] = {
    " IN EQUITY": None,  # Bloomberg: India, all exchanges
    " IS EQUITY": Exchange.NSE,
    " IB EQUITY": Exchange.BSE,
    ":INDEXNSE": Exchange.NSE,  # Google
    ":INDEXBOM": Exchange.BSE,
    " EQUITY": None,
    "-INDEX": None,  # Fyers
    " INDEX": None,
    ":NSE": Exchange.NSE,
    ":BSE": Exchange.BSE,
    ":BOM": Exchange.BSE,
    ".NSE": Exchange.NSE,
    ".BSE": Exchange.BSE,
    ".NS": Exchange.NSE,  # Yahoo and Reuters
    ".BO": Exchange.BSE,
}
# Series of shares that other platforms append: SBIN-EQ, RELIANCE-A. Another series (RELIANCE-N2) is another instrument,
# so its suffix stays.
_SERIES: Final = re.compile(r"(.+)-(EQ|BE|BZ|SM|ST|A|B|T|X|XT)")
# Yahoo (^NSEI), Reuters (.NSEI), and tags of social networks ($RELIANCE, #NIFTY).
_LEADING_MARKS: Final = "^.$#@"
_KEY: Final = re.compile(r"([A-Z_]{3,12}) *[:|] *([0-9]{1,18})", re.ASCII)
# With another separator only a name with an underscore is a segment: BSE 500 is an index.
_SPACED_KEY: Final = re.compile(r"([A-Z]{3}_[A-Z]{1,8}|IDX_I)[ ,;/-]+([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Spelling:
    """One possible meaning of a name: a symbol, and the exchange that the name states."""

    symbol: str
    exchange: Exchange | None = None


def canonical_symbol(text: str) -> str:
    """Return the symbol for `text`, in upper case with single spaces, aliases resolved.

    >>> canonical_symbol(" nifty  50 ")
    'NIFTY'
    """
    symbol = " ".join(text.upper().split())
    return ALIASES.get(_squeezed(symbol), symbol)


def split_exchange(text: str) -> tuple[Exchange | None, str]:
    """Return the exchange prefix of `text` or None, and the rest without unprintable characters.

    >>> split_exchange("BSE:RELIANCE")
    (<Exchange.BSE: 'BSE'>, 'RELIANCE')
    """
    # A copied text can have no-break spaces or control characters, which PostgreSQL refuses or never finds.
    whole = "".join(one if one.isprintable() else " " for one in text).strip()
    prefix, separator, rest = whole.replace("|", ":", 1).partition(":")
    named = prefix.strip().upper()
    if separator and named in EXCHANGE_PREFIXES:
        return EXCHANGE_PREFIXES[named], rest.strip()
    return None, whole


def list_spellings(text: str) -> tuple[Spelling, ...]:
    """Return the possible meanings of the name `text`, without an exchange prefix; the most literal comes first.

    >>> [one.symbol for one in list_spellings("bajaj_auto")]
    ['BAJAJ_AUTO', 'BAJAJAUTO', 'BAJAJ&AUTO', 'BAJAJ-AUTO', 'BAJAJ AUTO']
    >>> list_spellings("sbin.ns")[-1]
    Spelling(symbol='SBIN', exchange=<Exchange.NSE: 'NSE'>)
    """
    whole = " ".join(text.upper().split())
    bare, exchange = _without_suffix(whole)
    forms = [Spelling(symbol) for symbol in _forms(whole)]
    if bare != whole:
        forms += [Spelling(symbol, exchange) for symbol in _forms(bare)]
    return tuple(dict.fromkeys(forms))


def parse_key(text: str) -> InstrumentKey | None:
    """Return the broker's key in `text`: NSE_FNO:59182, NSE_FO|59182, NSE_FNO 59182; None if it is another text."""
    whole = text.strip().upper()
    found = _KEY.fullmatch(whole) or _SPACED_KEY.fullmatch(whole)
    if found is None or found[1] not in SEGMENT_NAMES:
        return None
    return InstrumentKey(SEGMENT_NAMES[found[1]], int(found[2]))


def _squeezed(symbol: str) -> str:
    """Return `symbol` without the characters in which spellings differ; the word AND becomes &."""
    return re.sub(r"[ _./-]", "", re.sub(r"\bAND\b", "&", symbol))


def _forms(name: str) -> list[str]:
    # TradingView writes M_M for M&M and BAJAJ_AUTO for BAJAJ-AUTO; people separate and join words (M & M, CRUDE OIL).
    forms = [canonical_symbol(name), _squeezed(name)]
    if " " in name or "_" in name:
        forms += [canonical_symbol(re.sub("[ _]", by, name)) for by in ("&", "-", " ")]
    return [one for one in forms if one]


def _without_suffix(name: str) -> tuple[str, Exchange | None]:
    name = name.lstrip(_LEADING_MARKS).strip()
    for suffix, exchange in _SUFFIXES.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix).strip(), exchange
    series = _SERIES.fullmatch(name)
    return (series[1] if series else name), None
