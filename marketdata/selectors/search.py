"""Type-ahead search over all listed instruments.

Two partial indexes without the options find names: prefixes of tokens and words of display names. Contracts are found
by their columns, below the underlyings that the words match. A hit lists its offers: itself, and of an underlying the
kinds of derivatives that can be added to a watchlist, each with its nearest expiries.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from marketdata import quote_board
from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentType, OptionType
from marketdata.domain.search import SearchQuery, list_strike_ranges, parse_loosely, parse_query
from marketdata.domain.spelling import MIN_LENGTH
from marketdata.domain.symbols import list_spellings, parse_key, split_exchange
from marketdata.domain.trading_symbols import list_meanings
from marketdata.selectors import search_statements as statements
from marketdata.selectors.prices import list_ltps
from marketdata.selectors.sessions import list_current_from
from marketdata.selectors.spelling import get_spelling_index
from marketdata.selectors.underlyings import is_token_prefixed, market_now, market_today

DEFAULT_LIMIT: Final = 20  # Chosen: one screen of results.
MAX_LIMIT: Final = 50  # Chosen: keeps an answer below 30 kB.
UNDERLYINGS_TRIED: Final = 4  # Chosen: contracts of worse matches than the fourth never reach the first screen.
CORRECTIONS_TRIED: Final = 2  # Chosen: the nearest word, and one more where that one has no such contract.
EXPIRIES_OFFERED: Final = 4  # Chosen: the buttons that fit beside a hit.
# Segments in which an id alone is looked up, in this order: one id can exist in several.
ID_SEGMENTS: Final = (
    ExchangeSegment.IDX_I,
    ExchangeSegment.NSE_EQ,
    ExchangeSegment.NSE_FNO,
    ExchangeSegment.MCX_COMM,
    ExchangeSegment.BSE_EQ,
    ExchangeSegment.BSE_FNO,
    ExchangeSegment.NSE_CURRENCY,
    ExchangeSegment.BSE_CURRENCY,
)
# Chosen: shorter numbers begin names (360ONE, 63MOONS) and strikes; they count as ids only in a key.
_ID: Final = re.compile(r"[0-9]{4,18}", re.ASCII)
_ISIN: Final = re.compile(r"IN[A-Z0-9]{9}[0-9]", re.ASCII)
DERIVATIVE_SEGMENT: Final = {
    ExchangeSegment.NSE_EQ: ExchangeSegment.NSE_FNO,
    ExchangeSegment.BSE_EQ: ExchangeSegment.BSE_FNO,
}


_CurrentFrom = Mapping[ExchangeSegment, date]  # the first day that is not over, by segment


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of entry that can be added to a watchlist, with its nearest expiries."""

    instrument_type: str
    expiries: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One instrument found."""

    instrument_id: int
    token: str
    display_name: str
    exchange: Exchange
    segment: ExchangeSegment
    instrument_type: InstrumentType
    underlying: str
    expiry: date | None
    strike: Decimal | None
    option_type: OptionType | None
    lot_size: int
    # Of a derivative: its underlying, whose price decides whether an option is in the money.
    spot_instrument_id: int | None
    # Represents its underlying: an index, a cash instrument, or the nearest future of an underlying without a spot.
    is_underlying: bool
    is_exact: bool = False
    offers: tuple[Offer, ...] = field(default=())
    is_over: bool = False  # the last session of this contract has ended

    @property
    def derivative_segment(self) -> ExchangeSegment:
        """The segment that lists derivatives on the same underlying."""
        if self.segment is ExchangeSegment.IDX_I:
            return ExchangeSegment.BSE_FNO if self.exchange is Exchange.BSE else ExchangeSegment.NSE_FNO
        return DERIVATIVE_SEGMENT.get(self.segment, self.segment)


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The hits of a query, best first. `did_you_mean`: the query as the list spells it, where only that has hits."""

    hits: Sequence[SearchHit] = ()
    did_you_mean: str | None = None


@dataclass(frozen=True, slots=True)
class _Scope:
    """What limits every statement of one search."""

    exchange: Exchange | None
    current_from: _CurrentFrom
    # The same days as the statements expect them: an array with the days at the places of the segments' numbers.
    days: str
    limit: int

    def on(self, exchange: Exchange | None) -> "_Scope":
        """Return the scope on `exchange`, which a part of the query names, unless the query has a prefix."""
        return replace(self, exchange=self.exchange or exchange)


def search_instruments(*, query: str, limit: int = DEFAULT_LIMIT, now: datetime | None = None) -> list[SearchHit]:
    """Return the hits of `answer_search`."""
    return list(answer_search(query=query, limit=limit, now=now).hits)


def answer_search(*, query: str, limit: int = DEFAULT_LIMIT, now: datetime | None = None) -> SearchAnswer:
    """Return the hits of `query` at `now`, by default the clock, best first. Raises QueryTooLong.

    Order: exact symbols before prefixes, underlyings before their derivatives, derivatives by nearest expiry, those
    that are over last. A query that names a contract returns contracts only, if any match. Forms of other platforms,
    parts in another order and misspelled words are tried in turn, and only while nothing is found.
    """
    exchange, words = split_exchange(query)
    asked = parse_query(words)
    if not asked.phrase:
        return SearchAnswer()
    current_from = list_current_from(at=market_now(now))
    scope = _Scope(exchange, current_from, _days_by_number(current_from), max(1, min(limit, MAX_LIMIT)))
    attempts = _attempts(query, words, asked, scope)
    found, spelling = next(((hits, spelling) for hits, spelling in attempts if hits), ([], None))
    if not found:
        return SearchAnswer()
    # A contract may match by name and by column: the first, better ranked hit stays.
    unique = list({hit.instrument_id: hit for hit in found}.values())[: scope.limit]
    return SearchAnswer(_completed(unique, scope), spelling)


def _attempts(
    query: str, words: str, asked: SearchQuery, scope: _Scope
) -> Iterator[tuple[list[SearchHit], str | None]]:
    """Yield the hits of each meaning of `query`, the most literal first, and the spelling of a corrected one.

    `words` are the query without its exchange.
    """
    yield from ((hits, None) for hits in _literal_attempts(query, words, asked, scope))
    meanings = list_meanings(words)
    if len(asked.phrase) == 1 and meanings:
        # Its parts would find another expiry for one that is not listed.
        for one in _respelled(meanings):
            yield _list_contracts(one, scope), one.words[0]
        return
    yield from ((_list_contracts(one, scope), None) for one in meanings)
    loose = parse_loosely(words)
    if not loose.words:
        return
    if loose != asked:
        # One or two letters begin too many names: there only the symbol itself is meant (LT).
        is_short = all(len(word) < 3 for word in loose.words)
        yield _list_meant(replace(loose, is_exact=is_short), scope.on(loose.exchange)), None
    for one in _corrections(loose):
        yield _list_meant(one, scope.on(loose.exchange)), _spelling_of(one, loose)


def _literal_attempts(query: str, words: str, asked: SearchQuery, scope: _Scope) -> Iterator[list[SearchHit]]:
    bare = list_spellings(words)[-1]
    yield _list_by_key(query, bare.symbol, scope.on(bare.exchange))
    # In one word it is a trading symbol where its contract is listed: NIFTY1! is not the beginning of NIFTY100.
    if len(asked.phrase) == 1:
        yield from (_list_contracts(one, scope) for one in list_meanings(words))
    yield _list_meant(asked, scope)


def _spelling_of(corrected: SearchQuery, asked: SearchQuery) -> str | None:
    """Return the corrected query; None where its name is the same with other spaces, or not yet typed to its end."""
    is_beginning = "".join(corrected.words).startswith("".join(asked.words))
    return None if is_beginning else " ".join(corrected.phrase)


def _list_meant(asked: SearchQuery, scope: _Scope) -> list[SearchHit]:
    contracts = _list_contracts(asked, scope) if asked.is_contract else []
    is_answered = bool(contracts) and asked.names_contract
    named = [] if is_answered else _list_named(asked.phrase, scope)
    return [*named, *contracts]


def _respelled(meanings: Iterable[SearchQuery]) -> Iterator[SearchQuery]:
    """Yield the meanings whose name is misspelled, with the name as listed."""
    index = get_spelling_index()
    for one in meanings:
        (name,) = one.words
        if not index.is_beginning(name):
            yield from (replace(one, words=(symbol,)) for symbol in index.correct(name, limit=1))


def _corrections(asked: SearchQuery) -> Iterator[SearchQuery]:
    """Yield `asked` with its name spelled as listed: as one symbol, then word by word."""
    if len("".join(asked.words)) < MIN_LENGTH:
        return  # The index corrects no shorter word, so it need not be read.
    index = get_spelling_index()
    rest = tuple(word for word in asked.phrase if word not in asked.words)
    for symbol in index.correct("".join(asked.words), limit=CORRECTIONS_TRIED):
        yield replace(asked, words=(symbol,), phrase=(symbol, *rest))
    unknown = [word for word in asked.words if not index.is_beginning(word)]
    corrected = {word: near[0] for word in unknown if (near := index.correct(word, limit=1))}
    if len(asked.words) > 1 and corrected:
        words, phrase = (tuple(corrected.get(word, word) for word in part) for part in (asked.words, asked.phrase))
        yield replace(asked, words=words, phrase=phrase)


def _list_by_key(query: str, name: str, scope: _Scope) -> list[SearchHit]:
    """Return the instruments with the broker's key, id or ISIN that is the whole query, `name` without its suffix."""
    parameters: dict[str, Any] = {
        "exchange": scope.exchange,
        "today": market_today(),
        "current_from": scope.days,
    }
    if key := parse_key(query):
        parameters |= {"exchange": None, "segments": [int(key.segment)], "security_id": key.security_id}
        return _hits(statements.BY_KEY, parameters)
    if _ISIN.fullmatch(name):
        return _hits(statements.BY_ISIN, {**parameters, "isin": name})
    if _ID.fullmatch(name):
        segments = [int(segment) for segment in ID_SEGMENTS]
        return _hits(statements.BY_KEY, {**parameters, "segments": segments, "security_id": int(name)})
    return []


def _list_named(
    words: Sequence[str], scope: _Scope, *, has_derivatives: bool = False, is_exact: bool = False
) -> list[SearchHit]:
    phrase = " ".join(words)
    pieces = re.findall(r"[A-Z0-9]+", phrase)
    # One letter starts every tenth word, too many for the word index; the token prefix alone answers it.
    is_word = any(len(piece) > 1 for piece in pieces)
    spellings = list_spellings(phrase)
    parameters = {
        "symbols": [one.symbol for one in spellings],
        "prefix": re.sub(r"([\\%_])", r"\\\1", phrase) + "%",
        "words": " & ".join(f"{piece.lower()}:*" for piece in pieces),
        "exchange": scope.on(spellings[-1].exchange).exchange,
        "today": market_today(),
        "current_from": scope.days,
        "limit": UNDERLYINGS_TRIED if has_derivatives else scope.limit,
    }
    statement = statements.named(by_word=is_word, has_derivatives=has_derivatives, is_exact=is_exact)
    return _hits(statement, parameters)


def _list_contracts(asked: SearchQuery, scope: _Scope) -> list[SearchHit]:
    underlyings = _list_underlyings(asked, scope)
    if not underlyings:
        return []
    # Only options without a strike are ordered by their distance from the price.
    ltps = {} if asked.strike is not None or asked.is_future else _known_ltps(underlyings)
    ranges = () if asked.strike is None else list_strike_ranges(asked.strike)
    parameters = {
        "segments": [int(one.derivative_segment) for one in underlyings],
        "symbols": [one.underlying for one in underlyings],
        "near": [ltps.get(one.instrument_id) for one in underlyings],
        "today": market_today(),
        "current_from": scope.days,
        "strike": asked.strike,
        "lowest": [lowest for lowest, _ in ranges],
        "beyond": [beyond for _, beyond in ranges],
        "option_type": asked.option_type,
        "day": asked.day,
        "month": asked.month,
        "year": asked.year,
        "limit": max(scope.limit, asked.place or 0),
    }
    return _contract_hits(asked, parameters)


def _list_underlyings(asked: SearchQuery, scope: _Scope) -> list[SearchHit]:
    # "NIFTY 25000" means NIFTY: contracts of NIFTYNXT50 would only push those of NIFTY down. The symbol itself is found
    # without a look at the hundreds of other names with this word.
    if exact := _list_named(asked.words, scope, has_derivatives=True, is_exact=True):
        return [one for one in exact if one.underlying == exact[0].underlying]
    return [] if asked.is_exact else _list_named(asked.words, scope, has_derivatives=True)


def _contract_hits(asked: SearchQuery, parameters: Mapping[str, Any]) -> list[SearchHit]:
    dated = ("day",) if asked.is_exact and asked.day else ()
    dated = (*dated, "monthly") if asked.is_monthly else dated
    if asked.is_future:
        futures = _hits(statements.contracts(("future", *dated)), parameters)
        if asked.place is not None:
            # One exchange: the place after its last future is none of the next exchange.
            futures = [one for one in futures if one.segment is futures[0].segment][asked.place - 1 : asked.place]
        return futures
    options = ("option", *dated)
    if asked.strike is not None:
        # "25000" is the strike 25000 where it is listed, else the start of one: 2500 finds 25000 while it is typed.
        exact = _hits(statements.contracts((*options, "strike")), parameters)
        is_whole = asked.is_exact and asked.option_type is not None
        return exact if exact or is_whole else _hits(statements.contracts(options, in_ranges=True), parameters)
    found = _hits(statements.contracts(options), parameters)
    if asked.option_type is not None:
        return found
    return _hits(statements.contracts(("future", *dated)), parameters) + found


def _days_by_number(current_from: _CurrentFrom) -> str:
    # As text, because the driver converts a list once for each place of a parameter in a statement.
    days: dict[int, date] = {int(segment): day for segment, day in current_from.items()}
    return "{" + ",".join(str(days.get(number, "NULL")) for number in range(max(days) + 1)) + "}"


def _known_ltps(underlyings: Iterable[SearchHit]) -> Mapping[int, Decimal]:
    """Return live prices to sort strikes by their distance; empty without Redis, then the middle strike counts."""
    try:
        return list_ltps(instrument_ids=[one.instrument_id for one in underlyings])
    except quote_board.BoardError:
        return {}


def _hits(sql: str, parameters: Mapping[str, Any]) -> list[SearchHit]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [_hit(row) for row in cursor.fetchall()]


def _hit(row: tuple[Any, ...]) -> SearchHit:
    # The columns are in the order of the fields.
    instrument_id, token, name, exchange, segment, kind, underlying, expiry, strike, option_type, *rest = row
    market = Exchange(exchange), ExchangeSegment(segment), InstrumentType(kind)
    side = OptionType(option_type) if option_type else None
    return SearchHit(instrument_id, token, name, *market, underlying, expiry, strike, side, *rest)


def _completed(hits: Sequence[SearchHit], scope: _Scope) -> list[SearchHit]:
    """Return the hits with their offers, the mark of those that are over, and the exchange in a token that needs it."""
    prefixed = is_token_prefixed([(hit.exchange, hit.underlying) for hit in hits])
    listed = _list_offers(hits, scope)
    return [
        replace(
            hit,
            token=f"{hit.exchange}:{hit.token}" if is_prefixed else hit.token,
            is_over=hit.expiry is not None and hit.expiry < scope.current_from[hit.segment],
            offers=_offers(hit, listed),
        )
        for hit, is_prefixed in zip(hits, prefixed, strict=True)
    ]


def _list_offers(hits: Sequence[SearchHit], scope: _Scope) -> Mapping[tuple[int, str], Sequence[Offer]]:
    """Return the offers of the derivatives of each underlying among `hits`, by derivative segment and symbol."""
    keys = {(hit.derivative_segment, hit.underlying) for hit in hits if hit.is_underlying}
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            statements.EXPIRIES,
            {
                "segments": [int(segment) for segment, _ in keys],
                "symbols": [symbol for _, symbol in keys],
                "current_from": scope.days,
                "count": EXPIRIES_OFFERED,
            },
        )
        rows = cursor.fetchall()
    listed: dict[tuple[int, str], list[Offer]] = {}
    for segment, symbol, instrument_type, expiries in rows:
        name = _name_offered(ExchangeSegment(segment), InstrumentType(instrument_type))
        if name is not None:
            listed.setdefault((segment, symbol), []).append(Offer(name, tuple(expiries)))
    return listed


def _name_offered(segment: ExchangeSegment, instrument_type: InstrumentType) -> str | None:
    """Return the watchlist's name for that kind of derivative; None for currency options, which are not supported."""
    if instrument_type.is_future:
        return "FUTURE"
    if segment is ExchangeSegment.MCX_COMM:
        return "COMMODITY_OPTION"
    return {InstrumentType.OPTIDX: "INDEX_OPTION", InstrumentType.OPTSTK: "STOCK_OPTION"}.get(instrument_type)


def _offers(hit: SearchHit, listed: Mapping[tuple[int, str], Sequence[Offer]]) -> tuple[Offer, ...]:
    if not hit.is_underlying:
        name = _name_offered(hit.segment, hit.instrument_type)
        if name is None or hit.expiry is None:
            return ()
        # Without expiries an offer is of the hit itself, which comes first.
        own = (Offer("OPTION"),) if hit.instrument_type.is_option else ()
        return (*own, Offer(name, (hit.expiry,)))
    derivatives = sorted(listed.get((hit.derivative_segment, hit.underlying), ()), key=lambda one: one.instrument_type)
    if hit.instrument_type is InstrumentType.INDEX:
        return (*derivatives[::-1], Offer("INDEX"))
    if hit.instrument_type is not InstrumentType.EQUITY:
        return tuple(derivatives[::-1])
    # Derivatives are written on the main series of a share, not on a second one (RELIANCE-N2).
    is_spot = hit.token == hit.underlying
    return (Offer("EQUITY"), *(derivatives[::-1] if is_spot else ()))
