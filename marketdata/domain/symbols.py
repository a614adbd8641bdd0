"""Symbols of underlyings: aliases, and the exchange prefix.

The symbol is the one that the exchange uses for derivatives. `ALIASES` lists the other spellings of indices in use by
traders and other systems. Whether a symbol is listed is a question for `selectors.underlyings`.
"""

from collections.abc import Mapping
from typing import Final

from marketdata.domain.instruments import Exchange

# Keys are in the form that `canonical_symbol` looks up: upper case, single spaces.
ALIASES: Final[Mapping[str, str]] = {
    "NIFTY50": "NIFTY",
    "NIFTY 50": "NIFTY",
    "NIFTY BANK": "BANKNIFTY",
    "NIFTYBANK": "BANKNIFTY",
    "BANK NIFTY": "BANKNIFTY",
    "FIN NIFTY": "FINNIFTY",
    "NIFTY FIN SERVICE": "FINNIFTY",
    "NIFTY FINANCIAL SERVICES": "FINNIFTY",
    "MIDCAP NIFTY": "MIDCPNIFTY",
    "MIDCAPNIFTY": "MIDCPNIFTY",
    "NIFTY MIDCAP SELECT": "MIDCPNIFTY",
    "NIFTY NEXT 50": "NIFTYNXT50",
    "NIFTYNEXT50": "NIFTYNXT50",
    "BSE SENSEX": "SENSEX",
    "SENSEX 50": "SENSEX50",
    # The broker writes SNSX50 on the row of the index and SENSEX50 on its derivatives.
    "SNSX50": "SENSEX50",
    "BSE BANKEX": "BANKEX",
    "INDIAVIX": "INDIA VIX",
    "GIFT NIFTY": "GIFTNIFTY",
}


def canonical_symbol(text: str) -> str:
    """Return the symbol for `text`, in upper case with single spaces, aliases resolved.

    >>> canonical_symbol(" nifty  50 ")
    'NIFTY'
    """
    symbol = " ".join(text.upper().split())
    return ALIASES.get(symbol, symbol)


def split_exchange(text: str) -> tuple[Exchange | None, str]:
    """Return the exchange prefix of `text` or None, and the rest without unprintable characters.

    >>> split_exchange("BSE:RELIANCE")
    (<Exchange.BSE: 'BSE'>, 'RELIANCE')
    """
    # A copied text can have no-break spaces or control characters, which PostgreSQL refuses or never finds.
    whole = "".join(one if one.isprintable() else " " for one in text).strip()
    prefix, separator, rest = whole.partition(":")
    named = prefix.strip().upper()
    if separator and named in set(Exchange):
        return Exchange(named), rest.strip()
    return None, whole
