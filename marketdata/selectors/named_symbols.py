"""Resolves the `symbol` of a request: the name of an underlying, or of one of its contracts.

A contract (NIFTY2621726000CE, NSE_FNO:59182) states the expiry too. It is never dropped: the nearest expiry would be a
wrong price under a right name.
"""

from dataclasses import dataclass
from datetime import date

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import format_expiry
from marketdata.selectors.tokens import get_instrument
from marketdata.selectors.underlyings import MAX_QUOTED, Underlying, UnknownSymbol, find_underlying


class ContradictoryExpiry(DomainError):
    """A symbol that names a contract, with another expiry beside it."""

    code = "contradictory_expiry"


@dataclass(frozen=True, slots=True)
class NamedUnderlying:
    """An underlying, and the expiry that the request or its symbol states; None where neither does."""

    underlying: Underlying
    expiry: date | None


def resolve_symbol(*, symbol: str, exchange: str | None = None, expiry: date | None = None) -> NamedUnderlying:
    """Return what `symbol` names. Raises UnknownSymbol, AmbiguousSymbol, ContradictoryExpiry."""
    try:
        return NamedUnderlying(find_underlying(symbol=symbol, exchange=exchange), expiry)
    except UnknownSymbol as unknown:
        try:
            found = get_instrument(name=symbol, exchange=exchange, expiry=expiry)
        except UnknownSymbol:
            raise unknown from None
    # A second series of a share (RELIANCE-N2) has the symbol of the share, but no derivatives and another price.
    if found.expiry is None and found.token != found.underlying_symbol:
        raise UnknownSymbol(f"{found.token} is not the main series of {found.underlying_symbol}.", symbol=found.token)
    if found.expiry is not None and expiry not in {None, found.expiry}:
        raise ContradictoryExpiry(
            f"{symbol[:MAX_QUOTED]} expires on {format_expiry(found.expiry)}, not on {format_expiry(expiry)}."
        )
    return NamedUnderlying(
        find_underlying(symbol=found.underlying_symbol, exchange=found.exchange), found.expiry or expiry
    )
