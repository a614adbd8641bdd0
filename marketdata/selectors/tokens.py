"""Finds a listed instrument by its name: a token, the broker's key, or a trading symbol of another platform."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from django.db.models import Max, Q, QuerySet

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import Exchange, ExchangeSegment, format_expiry, format_strike
from marketdata.domain.search import SearchQuery
from marketdata.domain.symbols import list_spellings, parse_key
from marketdata.domain.trading_symbols import list_meanings
from marketdata.models import Instrument
from marketdata.selectors.sessions import list_current_from
from marketdata.selectors.underlyings import (
    MAX_QUOTED,
    UnknownSymbol,
    market_now,
    market_today,
    order_by_exchange,
    spell,
)

_STRIKE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,4})?)(CE|PE)")


class AmbiguousSymbol(DomainError):
    """A name that several listed contracts have; `expiries` holds their dates."""

    code = "ambiguous_symbol"


def get_instrument(*, name: str, exchange: str | None = None, expiry: date | None = None) -> Instrument:
    """Return the instrument named `NIFTY_26FEB2026_25000CE`, `BSE:RELIANCE`, `NSE_FNO:131533` or `NIFTY26FEB25000CE`.

    Of several with one token the first exchange counts. `expiry` selects one of several contracts with the same name.
    Raises UnknownSymbol, AmbiguousSymbol.
    """
    found = _list_named(name, exchange)
    if expiry is not None and len(found) > 1:
        found = [one for one in found if one.expiry == expiry]
    if not found:
        raise UnknownSymbol(f"No listed instrument has the token {name[:MAX_QUOTED]!r}.", token=name[:MAX_QUOTED])
    if len(found) > 1:
        expiries = [one.expiry for one in found if one.expiry]
        named = ", ".join(format_expiry(one) for one in expiries)
        raise AmbiguousSymbol(
            f"{name[:MAX_QUOTED]} can mean the contracts of {named}; give the expiry.",
            expiries=[one.isoformat() for one in expiries],
        )
    return found[0]


def _list_named(name: str, exchange: str | None) -> Sequence[Instrument]:
    if (key := parse_key(name)) is not None:
        return list(
            Instrument.objects.filter(is_listed=True, exchange_segment=key.segment, security_id=key.security_id)
        )
    spellings = spell(name, exchange)
    for one in spellings:
        rows = Instrument.objects.filter(is_listed=True, token=_canonical_token(one.symbol))
        if found := order_by_exchange(rows, one.exchange).first():
            return [found]
    for meaning in list_meanings(spellings[0].symbol):
        if contracts := _list_contracts(meaning, spellings[0].exchange):
            return contracts
    return []


def _list_contracts(meaning: SearchQuery, wanted: Exchange | None) -> Sequence[Instrument]:
    """Return the contracts of one exchange that a trading symbol may mean, soonest first."""
    if not meaning.is_future and meaning.option_type is None:
        return []
    same_kind = Q(strike__isnull=meaning.is_future)
    listed = Instrument.objects.filter(
        same_kind,
        is_listed=True,
        underlying_symbol__in=[one.symbol for one in list_spellings(meaning.words[0])],
        expiry__gte=market_today(),
    )
    rows = _of_date(listed, meaning)
    if not meaning.is_future:
        rows = rows.filter(strike=meaning.strike, option_type=meaning.option_type)
    first = order_by_exchange(rows, wanted).first()
    if first is None:
        return []
    found = list(rows.filter(exchange_segment=first.exchange_segment).order_by("expiry", "id"))
    if meaning.is_monthly:
        of_month = _of_date(listed, meaning).filter(exchange_segment=first.exchange_segment)
        last = of_month.aggregate(last=Max("expiry"))["last"]
        return [one for one in found if one.expiry == last]
    if meaning.place is None:
        return found
    # A continuous contract goes to the next future when the session of the last one has ended.
    segment = ExchangeSegment(first.exchange_segment)
    current_from = list_current_from(at=market_now(), segments=[segment])[segment]
    current = [one for one in found if one.expiry and one.expiry >= current_from]
    return current[meaning.place - 1 : meaning.place]


def _of_date(rows: QuerySet[Instrument], meaning: SearchQuery) -> QuerySet[Instrument]:
    parts = {"expiry__year": meaning.year, "expiry__month": meaning.month, "expiry__day": meaning.day}
    return rows.filter(**{name: value for name, value in parts.items() if value is not None})


def _canonical_token(text: str) -> str:
    """Return `text` in the form of stored tokens: upper case, canonical symbol, strike without trailing zeros."""
    underlying, *rest = text.upper().split("_")
    strike = _STRIKE.fullmatch(rest[-1]) if rest else None
    if strike is not None:
        rest[-1] = format_strike(Decimal(strike[1])) + strike[2]
    return "_".join([list_spellings(underlying)[0].symbol if underlying else "", *rest])
