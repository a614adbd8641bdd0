"""The listed instruments and series that continue those which are listed no longer.

Reads the pairs of former instruments and candidates; `domain.succession` decides. A contract that has expired has no
successor and is not reviewed: the release of expired contracts ends it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.db import connection

from marketdata.domain.instruments import EXCHANGE_OF, ExchangeSegment, InstrumentType, SeriesKey
from marketdata.domain.succession import Change, Pair, Terms, choose_series, choose_successor
from marketdata.models import Instrument
from marketdata.selectors.underlyings import EXCHANGE_ORDER, market_today, spell

# Candidates have the key, the token or the ISIN of the former instrument. A token contains all terms of a contract.
_CANDIDATES_SQL: Final = """
WITH former AS MATERIALIZED (
    SELECT * FROM instruments WHERE id = ANY(%(ids)s) AND NOT is_listed
), pairs AS (
    SELECT f.id AS former_id, n.id AS present_id FROM former f JOIN instruments n
        ON n.is_listed AND n.exchange_segment = f.exchange_segment AND n.security_id = f.security_id
    UNION SELECT f.id, n.id FROM former f JOIN instruments n
        ON n.is_listed AND n.token = f.token AND n.exchange_segment = f.exchange_segment
    UNION SELECT f.id, n.id FROM former f JOIN instruments n
        ON n.is_listed AND n.isin = f.isin AND f.isin <> '' AND n.exchange_segment = f.exchange_segment
)
SELECT f.id, f.exchange_segment, f.instrument_type, f.security_id, f.underlying_symbol, f.token, f.isin, f.expiry,
    f.strike, f.option_type, n.id, n.security_id, n.underlying_symbol, n.token, n.isin, n.expiry, n.strike,
    n.option_type,
    NOT EXISTS (SELECT FROM instruments one WHERE one.is_listed AND one.token = f.token
        AND one.exchange_segment = f.exchange_segment),
    NOT EXISTS (SELECT FROM instruments one WHERE one.is_listed AND one.underlying_symbol = f.underlying_symbol
        AND one.exchange_segment = f.exchange_segment),
    n.underlying_symbol <> f.underlying_symbol AND NOT EXISTS (
        SELECT FROM instruments one WHERE one.underlying_symbol = n.underlying_symbol
        AND one.exchange_segment = n.exchange_segment AND one.first_seen_at < n.first_seen_at)
FROM pairs JOIN former f ON f.id = former_id JOIN instruments n ON n.id = present_id
WHERE n.instrument_type = f.instrument_type
"""

_UNLISTED_SERIES_SQL: Final = """
SELECT wanted.place - 1, ARRAY(
    SELECT id FROM instruments i WHERE NOT i.is_listed AND i.underlying_symbol = wanted.symbol
        AND i.exchange_segment = wanted.segment AND i.expiry = wanted.expiry AND i.strike IS NOT NULL
)
FROM unnest(%(segments)s::smallint[], %(symbols)s::varchar[], %(expiries)s::date[])
    WITH ORDINALITY AS wanted (segment, symbol, expiry, place)
WHERE NOT EXISTS (
    SELECT FROM instruments i WHERE i.is_listed AND i.underlying_symbol = wanted.symbol
        AND i.exchange_segment = wanted.segment AND i.expiry = wanted.expiry AND i.strike IS NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class FollowedSeries:
    """A series that is listed no longer under its terms, and the listed one that continues it."""

    former: SeriesKey
    present: SeriesKey

    @property
    def is_renamed(self) -> bool:
        """Whether the underlying has another symbol now."""
        return self.former.underlying != self.present.underlying


@dataclass(frozen=True, slots=True)
class Successor:
    """The listed instrument that continues another, and how it differs."""

    instrument_id: int
    change: Change


@dataclass(frozen=True, slots=True)
class SeriesSuccessor:
    """The listed series that continues another, and how it differs."""

    series: SeriesKey
    change: Change


def list_successors(*, instrument_ids: Collection[int]) -> Mapping[int, Successor | None]:
    """Return the successor, or None, of each of these instruments that is not listed and has not expired."""
    gone = Instrument.objects.filter(pk__in=instrument_ids, is_listed=False).exclude(expiry__lt=market_today())
    found: dict[int, Successor | None] = dict.fromkeys(gone.values_list("pk", flat=True))
    for pair, change in _choose(found):
        found[pair.former_id] = Successor(pair.present_id, change)
    return found


def list_series_successors(*, keys: Collection[SeriesKey]) -> Mapping[SeriesKey, SeriesSuccessor | None]:
    """Return the successor, or None, of each of these series that has no listed option and has not expired."""
    places = [key for key in dict.fromkeys(keys) if key.expiry >= market_today()]
    if not places:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _UNLISTED_SERIES_SQL,
            {
                "segments": [int(key.segment) for key in places],
                "symbols": [key.underlying for key in places],
                "expiries": [key.expiry for key in places],
            },
        )
        options = {places[place]: ids for place, ids in cursor.fetchall()}
    series_of: dict[int, tuple[SeriesKey, Change]] = {}
    for pair, change in _choose([one for ids in options.values() for one in ids]):
        present = pair.present
        if present.expiry is not None:
            series_of[pair.former_id] = SeriesKey(present.segment, present.symbol, present.expiry), change
    chosen = {key: choose_series(series_of[one] for one in ids if one in series_of) for key, ids in options.items()}
    return {key: None if one is None else SeriesSuccessor(*one) for key, one in chosen.items()}


def find_followed_series(*, symbol: str, exchange: str | None, expiry: date | None) -> FollowedSeries | None:
    """Return the former series on `symbol`, in any spelling, that a listed one continues; None if there is none.

    Without `expiry` the nearest one. Raises UnknownSymbol for an unknown exchange.
    """
    spellings = spell(symbol, exchange)
    former = Instrument.objects.filter(
        is_listed=False,
        strike__isnull=False,
        underlying_symbol__in={one.symbol for one in spellings},
        expiry__gte=market_today(),
    )
    if expiry is not None:
        former = former.filter(expiry=expiry)
    # The most literal spelling is first; an exchange that the caller gives is in every one.
    if wanted := spellings[0].exchange:
        former = former.filter(exchange=wanted)
    rows = former.values_list("exchange_segment", "underlying_symbol", "expiry").distinct()
    keys = sorted(
        (SeriesKey(ExchangeSegment(segment), name, day) for segment, name, day in rows if day),
        key=lambda key: (EXCHANGE_ORDER.index(EXCHANGE_OF[key.segment]), key.expiry),
    )
    successors = list_series_successors(keys=keys)
    return next((FollowedSeries(key, one.series) for key in keys if (one := successors.get(key))), None)


def read_pair(row: Sequence[Any]) -> Pair:
    """Return the pair in one row of a query: former terms, present terms, evidence."""
    former_id, segment, kind, security_id, *terms = row
    market = ExchangeSegment(segment), InstrumentType(kind)

    def terms_of(number: int, rest: Sequence[Any]) -> Terms:
        return Terms(market[0], number, market[1], *rest)

    present_id, present_security_id = terms[6:8]
    return Pair(
        former_id, terms_of(security_id, terms[:6]), present_id, terms_of(present_security_id, terms[8:14]), *terms[14:]
    )


def _choose(instrument_ids: Collection[int]) -> Sequence[tuple[Pair, Change]]:
    if not instrument_ids:
        return []
    pairs: dict[int, list[Pair]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES_SQL, {"ids": list(instrument_ids)})
        for row in cursor.fetchall():
            pair = read_pair(row)
            pairs[pair.former_id].append(pair)
    return [found for candidates in pairs.values() if (found := choose_successor(candidates))]
