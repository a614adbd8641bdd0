"""The contracts on an underlying: its expiries and its futures.

An expired contract stays marked as listed until the next import, so every query here starts at the market's date.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from marketdata.domain.errors import DomainError
from marketdata.domain.expiries import ExpiryKind, classify
from marketdata.domain.instruments import ExchangeSegment, format_expiry
from marketdata.models import Instrument
from marketdata.selectors.named_symbols import resolve_symbol
from marketdata.selectors.sessions import LONGEST_CLOSURE_DAYS, list_current_from
from marketdata.selectors.underlyings import Underlying, UnknownSymbol, market_now, market_today

EXPIRIES_NAMED: Final = 3  # Chosen: enough to correct a date, short enough for one line.


class UnknownExpiry(DomainError):
    """No contract is listed for this expiry; `expiries` holds the nearest listed ones."""

    code = "unknown_expiry"


class PastExpiry(UnknownExpiry):
    """An expiry that lies before the market's date."""

    code = "past_expiry"


@dataclass(frozen=True, slots=True)
class ExpiryRow:
    """One expiry of an underlying. `kind` is relative to the expiries with options, without options to the futures."""

    expiry: date
    kind: ExpiryKind
    days_left: int
    has_options: bool
    has_futures: bool
    is_over: bool = False  # its last session has ended: it is listed, and never the default


@dataclass(frozen=True, slots=True)
class FutureRow:
    """One listed future."""

    instrument_id: int
    expiry: date
    token: str


@dataclass(frozen=True, slots=True)
class Contracts:
    """Expiries with options and futures of one underlying, soonest first."""

    option_expiries: tuple[date, ...]
    futures: tuple[FutureRow, ...]


def list_expiries(*, underlying: Underlying, options_only: bool, now: datetime | None = None) -> list[ExpiryRow]:
    """Return the expiries on `underlying`, soonest first, those that are over last; empty without derivatives."""
    segment = underlying.option_segment if options_only else underlying.derivative_segment
    if segment is None:
        return []
    today = market_today()
    listed = listed_contracts(segment, underlying.symbol, today).annotate(is_option=Q(strike__isnull=False))
    dates = list(listed.values_list("expiry", "is_option").distinct())
    options = classify(expiry for expiry, is_option in dates if is_option and expiry)
    futures = classify(expiry for expiry, is_option in dates if not is_option and expiry)
    kinds = options if options_only else {**futures, **options}
    current_from = first_current_day(segment, kinds, now)
    return [
        ExpiryRow(one, kinds[one], (one - today).days, one in options, one in futures, one < current_from)
        for one in sorted(kinds, key=lambda one: (one < current_from, one))
    ]


def list_contracts(
    *, underlyings: Collection[tuple[ExchangeSegment, str]], from_date: date
) -> Mapping[tuple[ExchangeSegment, str], Contracts]:
    """Return the contracts per (segment, underlying symbol) that expire from `from_date` on, in two queries."""
    listed = Instrument.objects.filter(
        is_listed=True,
        exchange_segment__in={segment for segment, _ in underlyings},
        underlying_symbol__in={symbol for _, symbol in underlyings},
        expiry__gte=from_date,
    )
    expiries: dict[tuple[int, str], list[date]] = defaultdict(list)
    options = listed.filter(strike__isnull=False).values_list("exchange_segment", "underlying_symbol", "expiry")
    for segment, symbol, expiry in options.distinct().order_by("expiry"):
        expiries[segment, symbol] += [expiry] if expiry else []
    futures: dict[tuple[int, str], list[FutureRow]] = defaultdict(list)
    for row in listed.filter(option_type="").order_by("expiry", "id"):
        if row.expiry:
            futures[row.exchange_segment, row.underlying_symbol].append(FutureRow(row.pk, row.expiry, row.token))
    return {key: Contracts(tuple(expiries[key]), tuple(futures[key])) for key in underlyings}


def list_first_current(
    listed: Mapping[tuple[ExchangeSegment, str], Contracts], *, now: datetime | None = None
) -> Mapping[ExchangeSegment, date]:
    """Return the first day that is not over at `now`, by default the clock, for each segment of `listed`."""
    expiring = (
        (segment, expiry)
        for (segment, _), contracts in listed.items()
        for expiry in (*contracts.option_expiries, *(one.expiry for one in contracts.futures))
    )
    read = list_current_from(at=market_now(now), segments={segment for segment, _ in _near(expiring)})
    return {segment: read.get(segment, market_today()) for segment, _ in listed}


def list_over(
    *, contracts: Collection[tuple[ExchangeSegment, date]], now: datetime | None = None
) -> Set[tuple[ExchangeSegment, date]]:
    """Return those `contracts`, by segment and expiry, that are over at `now`, by default the clock.

    The calendar is read only if one of them is near.
    """
    candidates = _near(contracts)
    current_from = list_current_from(at=market_now(now), segments={segment for segment, _ in candidates})
    return {(segment, expiry) for segment, expiry in candidates if expiry < current_from[segment]}


def _near(contracts: Iterable[tuple[ExchangeSegment, date]]) -> Set[tuple[ExchangeSegment, date]]:
    """Return those `contracts`, by segment and expiry, that can be over: only for them the calendar is read."""
    near = market_today() + timedelta(days=LONGEST_CLOSURE_DAYS)
    return {(segment, expiry) for segment, expiry in contracts if expiry <= near}


def get_future(
    *, symbol: str, expiry: date | None = None, exchange: str | None = None, now: datetime | None = None
) -> Instrument:
    """Return the future on `symbol`; without `expiry` the nearest that is not over at `now`, by default the clock.

    A `symbol` that names a contract states its expiry. Raises UnknownSymbol, UnknownExpiry, and the errors of
    `resolve_symbol`.
    """
    named = resolve_symbol(symbol=symbol, exchange=exchange, expiry=expiry)
    underlying, expiry = named.underlying, named.expiry
    segment, today = underlying.derivative_segment, market_today()
    if segment is None:
        raise UnknownSymbol(f"No futures are listed on {underlying.symbol}.", symbol=underlying.symbol)
    futures = listed_contracts(segment, underlying.symbol, today).filter(option_type="").order_by("expiry", "id")
    found = futures.filter(expiry=expiry).first() if expiry else find_nearest(futures, segment, now)
    if found is None:
        dates = [one for one in futures.values_list("expiry", flat=True) if one]
        raise unknown_expiry(f"{underlying.symbol} futures", expiry, dates, today)
    return found


def listed_contracts(segment: ExchangeSegment, symbol: str, from_date: date) -> QuerySet[Instrument]:
    """Return the listed contracts on an underlying that expire from `from_date` on."""
    return Instrument.objects.filter(
        is_listed=True, underlying_symbol=symbol, exchange_segment=segment, expiry__gte=from_date
    )


def find_nearest(contracts: QuerySet[Instrument], segment: ExchangeSegment, now: datetime | None) -> Instrument | None:
    """Return the first of `contracts`, which are ordered by expiry, that is not over."""
    found = contracts.first()
    if found is None or found.expiry is None:
        return found
    current_from = first_current_day(segment, [found.expiry], now)
    return found if found.expiry >= current_from else contracts.filter(expiry__gte=current_from).first()


def first_current_day(segment: ExchangeSegment, expiries: Iterable[date], now: datetime | None) -> date:
    """Return the first day that is not over in `segment`; the calendar is read only if one of `expiries` is near."""
    today = market_today()
    if min(expiries, default=today) > today + timedelta(days=LONGEST_CLOSURE_DAYS):
        return today
    return list_current_from(at=market_now(now), segments=[segment])[segment]


def unknown_expiry(contracts: str, expiry: date | None, listed: Sequence[date], today: date) -> UnknownExpiry:
    """Return the error for `expiry`, None for the default one, among the `listed` ones; `contracts` names them."""
    if not listed:
        return UnknownExpiry(f"No {contracts} are listed.")
    if expiry is None:
        named = ", ".join(format_expiry(one) for one in listed[:EXPIRIES_NAMED])
        return UnknownExpiry(
            f"Every listed expiry of {contracts} is over: {named}.",
            expiries=[one.isoformat() for one in listed[:EXPIRIES_NAMED]],
        )
    nearest = sorted(sorted(listed, key=lambda one: abs((one - expiry).days))[:EXPIRIES_NAMED])
    named = ", ".join(format_expiry(one) for one in nearest)
    kind = PastExpiry if expiry < today else UnknownExpiry
    why = f"expired on {format_expiry(expiry)}" if expiry < today else f"are not listed for {format_expiry(expiry)}"
    return kind(f"{contracts} {why}; the nearest listed are {named}.", expiries=[one.isoformat() for one in nearest])
