"""Parser of search queries: "rel", "nifty 25000 ce 27 nov", "banknifty fut".

After the first word CE, PE, CALL, PUT, FUT, months, dates and numbers select a contract; any other word belongs to the
name. `parse_loosely` also takes the parts before the name ("26000 nifty ce") and drops words without a meaning for a
search. The lookup of instruments is in `selectors.search`; contracts in one word are read by `trading_symbols`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import Exchange, OptionType

# Chosen: more than twice the longest token, e.g. "MIDCPNIFTY 26 FEBRUARY 2026 13250 CE".
MAX_QUERY_LENGTH: Final = 64
FUTURE_WORDS: Final = frozenset({"FUT", "FUTS", "FUTURE", "FUTURES"})
OPTION_WORDS: Final = {
    "CE": OptionType.CE,
    "CALL": OptionType.CE,
    "CALLS": OptionType.CE,
    "PE": OptionType.PE,
    "PUT": OptionType.PE,
    "PUTS": OptionType.PE,
}
OPTION_LETTERS: Final = {"C": OptionType.CE, "P": OptionType.PE}
MONTH_NAMES: Final = (
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
)


class QueryTooLong(DomainError):
    """A query longer than MAX_QUERY_LENGTH."""

    code = "query_too_long"


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A parsed query. `words` name an underlying; `phrase` has all words, to search them as a name."""

    phrase: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    strike: Decimal | None = None
    option_type: OptionType | None = None
    is_future: bool = False
    day: int | None = None
    month: int | None = None
    year: int | None = None
    # The exchange, where a word of the query names it.
    exchange: Exchange | None = None
    # Only the last expiry of its month.
    is_monthly: bool = False
    # The date is exact; otherwise the nearest listed day is a match too.
    is_exact: bool = False
    # Of the futures by expiry the n-th, from 1: a continuous contract.
    place: int | None = None

    @property
    def names_contract(self) -> bool:
        """Whether the query can only mean a derivative."""
        return self.is_future or self.option_type is not None or self.month is not None

    @property
    def is_contract(self) -> bool:
        """Whether the query can mean a derivative; a number alone can also be a part of a name."""
        return self.names_contract or self.strike is not None


# ASCII in all: without it \d matches the digits of all scripts.
_GLUED: Final = re.compile(r"([A-Z][A-Z&-]*)(\d{2,}(?:\.\d+)?)(CE|PE)", re.ASCII)
# Digits of the database column of strikes: eight before the point and four after it.
STRIKE_DIGITS: Final = 8
_STRIKE: Final = re.compile(r"(\d{1,8}(?:\.\d{1,4})?)(CE|PE|C|P)?", re.ASCII)
_DATE: Final = re.compile(r"(\d{1,2})?([A-Z]{3,9})(\d{4}|\d{2})?", re.ASCII)
_ISO: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_THOUSANDS: Final = re.compile(r"(\d{1,4}(?:\.\d{1,3})?)K(CE|PE|C|P)?", re.ASCII)
# 17/02/2026, 17-02-26 and 20260217; Bloomberg has the month first, 02/17/26.
_DAY_FIRST: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})", re.ASCII)
_EIGHT_DIGITS: Final = re.compile(r"(20\d{2})(\d{2})(\d{2})", re.ASCII)
_DAY_MONTH_YEAR: Final = re.compile(r"(\d{1,2})[-/]([A-Z]{3,9})[-/](\d{4}|\d{2})", re.ASCII)
_ORDINAL: Final = re.compile(r"(\d{1,2})(?:ST|ND|RD|TH)", re.ASCII)
_STRIKE_BEHIND: Final = re.compile(r"([CP])E?(\d{2,8}(?:\.\d{1,4})?)", re.ASCII)

# Words of titles and of other platforms that select nothing.
FILLER_WORDS: Final = frozenset(
    {
        "AND",
        "BUY",
        "CASH",
        "CHAIN",
        "CO",
        "CONTRACT",
        "EQUITY",
        "EXPIRY",
        "IN",
        "INDEX",
        "LIMITED",
        "LIVE",
        "LTD",
        "LTP",
        "OC",
        "OF",
        "OPTION",
        "OPTIONS",
        "PRICE",
        "QUOTE",
        "RATE",
        "SELL",
        "SHARE",
        "SHARES",
        "SPOT",
        "STOCK",
        "STOCKS",
        "STRIKE",
        "THE",
    }
)
EXCHANGE_WORDS: Final = {
    "NSE": Exchange.NSE,
    "NFO": Exchange.NSE,
    "IS": Exchange.NSE,  # Bloomberg
    "BSE": Exchange.BSE,
    "BFO": Exchange.BSE,
    "IB": Exchange.BSE,  # Bloomberg
    "MCX": Exchange.MCX,
}


def parse_query(text: str) -> SearchQuery:
    """Return the parsed query; a word that fits no rule is part of the name. Raises QueryTooLong.

    >>> query = parse_query("nifty 25000 ce 27 nov")
    >>> query.words, query.strike, query.option_type, query.day, query.month
    (('NIFTY',), Decimal('25000'), <OptionType.CE: 'CE'>, 27, 11)
    """
    if len(text) > MAX_QUERY_LENGTH:
        raise QueryTooLong(f"A search is at most {MAX_QUERY_LENGTH} characters long.")
    phrase = _split(text)
    # The first word always belongs to a name: MARUTI begins like March. The phrase is kept beside the parts, because a
    # number can be a strike or a part of a name (NIFTY 50); the lookup tries both.
    query = SearchQuery(phrase=phrase, words=phrase[:1])
    for position, word in enumerate(phrase[1:], start=1):
        follower = phrase[position + 1] if position + 1 < len(phrase) else ""
        query = _with_word(query, word, follower)
    return query


def list_strike_ranges(beginning: Decimal) -> tuple[tuple[Decimal, Decimal], ...]:
    """Return the ranges, lowest strike and first one beyond, of all strikes whose digits begin with these.

    >>> list_strike_ranges(Decimal("2500"))[:2]
    ((Decimal('2500'), Decimal('2501')), (Decimal('25000'), Decimal('25010')))
    >>> list_strike_ranges(Decimal("2.5"))
    ((Decimal('2.5'), Decimal('2.6')),)
    """
    step = Decimal((0, (1,), int(beginning.as_tuple().exponent)))
    # Behind a point, and behind a leading zero, more digits only refine the number.
    if step < 1 or not beginning:
        return ((beginning, beginning + step),)
    scales = (Decimal(10) ** digits for digits in range(STRIKE_DIGITS))
    return tuple((beginning * one, (beginning + 1) * one) for one in scales if beginning * one < 10**STRIKE_DIGITS)


def parse_loosely(text: str) -> SearchQuery:
    """Return the query with its parts in any order, without filler words and punctuation; no `words` if none is a name.

    >>> query = parse_loosely("BSE: Sensex option, 84k call of 26-Feb-2026")
    >>> query.words, query.exchange, query.strike, query.option_type, query.day
    (('SENSEX',), <Exchange.BSE: 'BSE'>, Decimal('84000'), <OptionType.CE: 'CE'>, 26)
    """
    words = [word for word in _loose_words(text) if word not in FILLER_WORDS]
    named = [word for word in words if word in EXCHANGE_WORDS]
    query = SearchQuery(is_monthly="MONTHLY" in words)
    words = [word for word in words if word not in {*EXCHANGE_WORDS, "MONTHLY", "WEEKLY"}]
    for position, word in enumerate(words):
        query = _with_word(query, word, words[position + 1] if position + 1 < len(words) else "")
    return replace(query, phrase=tuple(words), exchange=EXCHANGE_WORDS[named[-1]] if named else None)


def _loose_words(text: str) -> Iterator[str]:
    for word in _split(text):
        if any(form.fullmatch(word) for form in (_ISO, _DAY_FIRST, _DAY_MONTH_YEAR)):
            yield word
        else:
            for part in _split(re.sub(r"[^A-Z0-9.&]|\.$", " ", word)):
                behind = _STRIKE_BEHIND.fullmatch(part)
                yield from (behind[2], behind[1] + "E") if behind else (part,)


def _split(text: str) -> tuple[str, ...]:
    """Return the words of `text` in upper case; each part of a token is a word."""
    words: list[str] = []
    for word in text.upper().replace("_", " ").replace(",", "").split():
        glued = _GLUED.fullmatch(word)
        words += (glued[1], glued[2] + glued[3]) if glued else (word,)
    return tuple(words)


def _with_word(query: SearchQuery, word: str, follower: str) -> SearchQuery:
    if word in FUTURE_WORDS:
        return replace(query, is_future=True)
    if word in OPTION_WORDS:
        return replace(query, option_type=OPTION_WORDS[word])
    # Single letters are also parts of names, so C and P count only after a strike.
    if word in OPTION_LETTERS and query.strike is not None:
        return replace(query, option_type=OPTION_LETTERS[word])
    if (dated := _with_date(query, word)) is not None:
        return dated
    if thousands := _THOUSANDS.fullmatch(word):
        return _with_strike(query, Decimal(thousands[1]) * 1000, thousands[2])
    if number := _STRIKE.fullmatch(word):
        return _with_number(query, number[1], number[2], follower)
    if (ordinal := _ORDINAL.fullmatch(word)) and (_month(follower) or query.month):
        return replace(query, day=int(ordinal[1]))
    return replace(query, words=(*query.words, word))


def _with_date(query: SearchQuery, word: str) -> SearchQuery | None:
    """Return `query` with the date or the month in `word`; None if it is neither."""
    if iso := _ISO.fullmatch(word) or _EIGHT_DIGITS.fullmatch(word):
        return _with_parts(query, year=int(iso[1]), month=int(iso[2]), day=int(iso[3]))
    if first := _DAY_FIRST.fullmatch(word):
        day, month = int(first[1]), int(first[2])
        return _with_parts(
            query,
            year=_year(first[3]),
            month=min(day, month) if month > 12 else month,
            day=max(day, month) if month > 12 else day,
        )
    if (written := _DAY_MONTH_YEAR.fullmatch(word)) and (named := _month(written[2])):
        return _with_parts(query, year=_year(written[3]), month=named, day=int(written[1]))
    # NOV, 27NOV, NOV26 and 27NOV2026. A word that only looks like it, such as INFY, has no month and is a name.
    if (dated := _DATE.fullmatch(word)) and (named := _month(dated[2])):
        return replace(
            query,
            month=named,
            day=int(dated[1]) if dated[1] else query.day,
            year=_year(dated[3]) if dated[3] else query.year,
        )
    return None


def _with_parts(query: SearchQuery, *, year: int, month: int, day: int) -> SearchQuery:
    try:
        expiry = date(year, month, day)
    except ValueError:
        # 2026-02-31 selects nothing: as a part of a name it would find nothing at all.
        return query
    return replace(query, day=expiry.day, month=expiry.month, year=expiry.year)


def _with_number(query: SearchQuery, digits: str, letters: str | None, follower: str) -> SearchQuery:
    """Return `query` with a number: a day next to a month, a year after a month, else a strike."""
    # The first rule that fits decides. 1. 27 next to a month is a day. 2. 2026 after a month is a year; a strike from
    # 2000 to 2099 must therefore stand before the month. 3. Every other number is a strike.
    is_whole = digits.isdecimal() and letters is None
    if is_whole and 1 <= int(digits) <= 31 and query.day is None and (_month(follower) or query.month):
        return replace(query, day=int(digits))
    if is_whole and len(digits) == 4 and query.month and query.year is None and 2000 <= int(digits) < 2100:
        return replace(query, year=int(digits))
    # "26000 CE 17 FEB 26": after the strike and a date, two digits are the year.
    if is_whole and len(digits) == 2 and query.month and query.day and query.year is None and query.strike is not None:
        return replace(query, year=_year(digits))
    return _with_strike(query, Decimal(digits), letters)


def _with_strike(query: SearchQuery, strike: Decimal, letters: str | None) -> SearchQuery:
    # Letters at the number, as in 25000CE or 25000P, name the option type.
    option_type = query.option_type
    if letters:
        option_type = OPTION_WORDS.get(letters) or OPTION_LETTERS[letters]
    return replace(query, strike=strike, option_type=option_type)


def _month(word: str) -> int | None:
    """Return the number of the month of `word`: NOV, NOVEM, NOVEMBER, NOV26; None if it is not one."""
    letters = word.rstrip("0123456789")
    # Two letters fit several months: JU is June and July, MA is March and May.
    if len(letters) < 3:
        return None
    return next((one for one, name in enumerate(MONTH_NAMES, start=1) if name.startswith(letters)), None)


def _year(digits: str) -> int:
    year = int(digits)
    return year if year > 99 else 2000 + year
