"""Finds the one instrument that a request names: by its id, or an option by its contract or by its strike.

An expired contract stays marked as listed until the next import, so every answer here is of the market's date or later.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db.models import QuerySet

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import OptionType, describe_contract, format_expiry, format_strike, group_digits
from marketdata.models import Instrument
from marketdata.selectors.contracts import PastExpiry, find_nearest, listed_contracts, unknown_expiry
from marketdata.selectors.named_symbols import ContradictoryExpiry, resolve_symbol
from marketdata.selectors.series import option_segment
from marketdata.selectors.tokens import get_instrument
from marketdata.selectors.underlyings import Underlying, UnknownSymbol, market_today

STRIKES_NAMED: Final = 3  # Chosen: enough to correct a strike, short enough for one line.


class NotOneOption(DomainError):
    """The name is that of another instrument, or of all options of an underlying."""

    code = "wrong_instrument_type"


class UnknownStrike(DomainError):
    """The series has no such option; `strikes` holds the nearest listed ones."""

    code = "unknown_strike"


class ContradictoryStrike(DomainError):
    """A symbol that names an option, with another strike or option type beside it."""

    code = "contradictory_strike"


@dataclass(frozen=True, slots=True)
class Side:
    """Strike in rupees and option type: one option of a series."""

    strike: Decimal
    option_type: OptionType

    def __str__(self) -> str:
        return f"{group_digits(format_strike(self.strike))} {self.option_type}"


def get_listed_instrument(*, instrument_id: int) -> Instrument:
    """Return the listed instrument with this id. Raises UnknownSymbol, PastExpiry."""
    found = Instrument.objects.filter(pk=instrument_id, is_listed=True).first()
    if found is None:
        raise UnknownSymbol(f"No listed instrument has the id {instrument_id}.", instrument_id=instrument_id)
    return _current(found)


def get_option(
    *,
    symbol: str,
    exchange: str | None = None,
    expiry: date | None = None,
    side: Side | None = None,
    now: datetime | None = None,
) -> Instrument:
    """Return the option that `symbol` names as a contract, or the one of an underlying with this `side`.

    Without `expiry` it is of the nearest that is not over at `now`, by default the clock. Raises UnknownSymbol,
    AmbiguousSymbol, NotOneOption, NoOptions, UnknownExpiry, UnknownStrike, ContradictoryExpiry, ContradictoryStrike.
    """
    contract = _find_contract(symbol, exchange, expiry)
    if contract is not None:
        _require_agreement(contract, expiry, side)
        return _current(contract)
    underlying = resolve_symbol(symbol=symbol, exchange=exchange, expiry=expiry).underlying
    if side is None:
        raise NotOneOption(
            f"{underlying.symbol} is not one option: give expiry, strike and option_type,"
            " or a contract like NIFTY_26FEB2026_26000CE.",
            symbol=underlying.symbol,
        )
    return _get_leg(underlying, expiry, side, now)


def _find_contract(symbol: str, exchange: str | None, expiry: date | None) -> Instrument | None:
    """Return the option with that name; None if it may be an underlying. Raises NotOneOption for a future."""
    try:
        found = get_instrument(name=symbol, exchange=exchange, expiry=expiry)
    except UnknownSymbol:
        return None
    if found.expiry is None:
        return None
    if found.strike is None:
        raise NotOneOption(f"{found.token} is a future, not an option.", symbol=found.token)
    return found


def _require_agreement(option: Instrument, expiry: date | None, side: Side | None) -> None:
    """Refuse a name that contradicts the fields beside it: neither may be dropped."""
    if option.expiry is not None and expiry not in {None, option.expiry}:
        raise ContradictoryExpiry(
            f"{option.token} expires on {format_expiry(option.expiry)}, not on {format_expiry(expiry)}."
        )
    if side is not None and (side.strike, side.option_type) != (option.strike, option.option_type):
        raise ContradictoryStrike(f"{option.token} is not {side}.", symbol=option.token)


def _current(instrument: Instrument) -> Instrument:
    if instrument.expiry is not None and instrument.expiry < market_today():
        raise PastExpiry(f"{instrument.token} expired on {format_expiry(instrument.expiry)}.", expiries=[])
    return instrument


def _get_leg(underlying: Underlying, expiry: date | None, side: Side, now: datetime | None) -> Instrument:
    segment, today = option_segment(underlying), market_today()
    options = listed_contracts(segment, underlying.symbol, today).filter(strike__isnull=False).order_by("expiry", "id")
    first = options.filter(expiry=expiry).first() if expiry else find_nearest(options, segment, now)
    if first is None or first.expiry is None:
        dates = [one for one in options.order_by("expiry").values_list("expiry", flat=True).distinct() if one]
        raise unknown_expiry(f"{underlying.symbol} options", expiry, dates, today)
    same_type = options.filter(expiry=first.expiry, option_type=side.option_type)
    found = same_type.filter(strike=side.strike).first()
    if found is None:
        raise _unknown_strike(describe_contract(underlying.symbol, first.expiry), side, same_type)
    return found


def _unknown_strike(series: str, side: Side, same_type: QuerySet[Instrument]) -> UnknownStrike:
    strikes = [one for one in same_type.values_list("strike", flat=True) if one is not None]
    nearest = sorted(sorted(strikes, key=lambda one: abs(one - side.strike))[:STRIKES_NAMED])
    named = ", ".join(group_digits(format_strike(one)) for one in nearest)
    return UnknownStrike(
        f"{series} has no {side}; the nearest listed strikes are {named}.",
        strikes=[format_strike(one) for one in nearest],
    )
