"""Finds a listed instrument by its name in the API: its token, or the broker's key."""

import re
from decimal import Decimal
from typing import Final

from marketdata.domain.instruments import ExchangeSegment, format_strike
from marketdata.domain.symbols import canonical_symbol, split_exchange
from marketdata.models import Instrument
from marketdata.selectors.underlyings import MAX_QUOTED, UnknownSymbol, order_by_exchange

_KEY: Final = re.compile(r"([A-Z_]{5,12}):([0-9]{1,18})")
_STRIKE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,4})?)(CE|PE)")


def get_instrument(*, name: str) -> Instrument:
    """Return the instrument named `NIFTY_26FEB2026_25000CE`, `BSE:RELIANCE` or `NSE_FNO:131533`.

    Of several with one token the first exchange counts. Raises UnknownSymbol.
    """
    exchange, token = split_exchange(name)
    key = _KEY.fullmatch(token.upper())
    if exchange is None and key is not None and key[1] in ExchangeSegment.__members__:
        found = Instrument.objects.filter(
            is_listed=True, exchange_segment=ExchangeSegment[key[1]], security_id=int(key[2])
        ).first()
    else:
        rows = Instrument.objects.filter(is_listed=True, token=_canonical_token(token))
        found = order_by_exchange(rows, exchange).first()
    if found is None:
        raise UnknownSymbol(f"No listed instrument has the token {name[:MAX_QUOTED]!r}.", token=name[:MAX_QUOTED])
    return found


def _canonical_token(text: str) -> str:
    """Return `text` in the form of stored tokens: upper case, canonical symbol, strike without trailing zeros."""
    underlying, *rest = text.upper().split("_")
    strike = _STRIKE.fullmatch(rest[-1]) if rest else None
    if strike is not None:
        rest[-1] = format_strike(Decimal(strike[1])) + strike[2]
    return "_".join([canonical_symbol(underlying), *rest])
