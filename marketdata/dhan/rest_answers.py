"""Reader of the broker's market-data answers, item by item: an odd item is left out, the others are taken.

Theory of operation. The content of an answer is segment name -> security id -> item, one item for each instrument. The
reader looks up names and ids among the requested instruments and parses no others. An item is taken whole or not at
all: with one odd value, its other values may be of another instrument or moment. A member that is absent is unknown
(None), never zero; only the last price must be present. A null in the depth costs the depth alone, and what an index
does not have may be null there. Odd items are counted by `OddKind`; no content raises.

Forms and values: docs/dhan.md, section "REST". JSON has NaN, Infinity and integers of any length here, because Python's
parser accepts them.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Depth, DepthLevel, Quote
from marketdata.domain.tick_rules import FIRST_REAL_LTT

# Chosen: 10 million rupees, above fifty times the highest price of a listed instrument (a share of 150,000 rupees).
MAX_PRICE: Final = 10_000_000
# Chosen: a hundred times the shares that all of NSE trades in a day (about 10^10).
MAX_VOLUME: Final = 10**12
MAX_COUNT: Final = 2**32 - 1  # 32 bits in the packets of the feed, for every count but the volume, which may wrap there
DEPTH_LEVELS: Final = 5  # docs/dhan.md, REST: five levels of each side
# Chosen: LTT is in IST and our clock may be behind the broker's; the same bound as `tick_rules.find_fault`.
LATEST_TRADE: Final = timedelta(days=2)
NOT_OF_INDICES: Final = frozenset(
    {"last_quantity", "average_price", "volume", "sell_quantity", "buy_quantity", "oi", "oi_day_high", "oi_day_low"}
)
"""Members that an index does not have: nothing of an index is traded. The broker sends 0; null says the same."""
MAX_TEXT: Final = 40  # Chosen: above the longest name of an instrument at the broker (segment and ten digits).

Item = TypeVar("Item")


class OddKind(StrEnum):
    """Why an item, or a whole answer, is left out; the values are the kinds that are counted."""

    NULL = "null"  # null where a value belongs
    MISSING = "missing"  # no last price, no token, no field of a level
    TEXT = "text"  # text where a number or an object belongs
    NOT_FINITE = "not_finite"  # NaN, Infinity
    NEGATIVE = "negative"
    TOO_LARGE = "too_large"
    FORM = "form"  # another type than documented: a list, true, a fraction of a unit
    DEPTH = "depth"  # more or fewer levels than five
    NULL_DEPTH = "null_depth"  # null or nothing in the depth: the item is taken without it
    TIME = "time"  # a time in another format, or of a day to come
    UNKNOWN_SEGMENT = "unknown_segment"
    UNKNOWN_ID = "unknown_id"  # an instrument that was not requested
    ANSWER = "answer"  # the whole answer: no JSON, or another outer form


class OddValue(ValueError):
    """A value that is not as documented."""

    def __init__(self, kind: OddKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


@dataclass(slots=True)
class OddItems:
    """The odd items of an answer: their number by kind, and the name of the first of each kind."""

    counts: "Counter[OddKind]" = field(default_factory=Counter)
    examples: dict[OddKind, str] = field(default_factory=dict)

    def note(self, kind: OddKind, name: str) -> None:
        """Count one item; `name` may be any text of the broker."""
        self.counts[kind] += 1
        self.examples.setdefault(kind, printable(name, MAX_TEXT))


@dataclass(frozen=True, slots=True)
class ItemReading(Generic[Item]):
    """The readable items of an answer, and its odd ones."""

    items: Mapping[InstrumentKey, Item]
    odd: OddItems


def read_prices(content: object, keys: Iterable[InstrumentKey]) -> ItemReading[Decimal]:
    """Return the last prices in the content of `marketfeed/ltp`, in rupees; a price of zero is unknown.

    Raises OddValue if the content is no object.
    """
    reading = read_items(content, keys, lambda _, item: read_price(item, "last_price"), OddItems())
    # After rounding, so that no price of zero remains.
    prices = {key: Decimal(str(price)) for key, price in reading.items.items() if price}
    return ItemReading(prices, reading.odd)


def read_quotes(content: object, keys: Iterable[InstrumentKey], *, now: datetime) -> ItemReading[Quote]:
    """Return the quotes in the content of `marketfeed/quote`. Raises OddValue if the content is no object."""
    odd = OddItems()
    return read_items(content, keys, lambda key, item: _read_quote(key, item, now, odd), odd)


def read_items(
    content: object,
    keys: Iterable[InstrumentKey],
    read: Callable[[InstrumentKey, Mapping[str, Any]], Item],
    odd: OddItems,
) -> ItemReading[Item]:
    """Return the result of `read` for the item of each of `keys`; `read` raises OddValue for an odd item.

    Odd items are noted in `odd`. Raises OddValue if the content is no object.
    """
    segments = as_object(content)
    requested = {(key.segment.name, str(key.security_id)): key for key in keys}
    items: dict[InstrumentKey, Item] = {}
    for segment, listed in segments.items():
        try:
            if segment not in ExchangeSegment.__members__:
                raise OddValue(OddKind.UNKNOWN_SEGMENT)
            by_id = as_object(listed)
        except OddValue as error:
            odd.note(error.kind, segment)
            continue
        for security_id, item in by_id.items():
            key = requested.get((segment, security_id))
            try:
                if key is None:
                    raise OddValue(OddKind.UNKNOWN_ID)
                items[key] = read(key, as_object(item))
            except OddValue as error:
                odd.note(error.kind, f"{segment}:{security_id}")
    return ItemReading(items, odd)


def read_price(item: Mapping[str, Any], name: str) -> float:
    """Return the price `name` in rupees, rounded to four decimals; zero is unknown. Raises OddValue."""
    if name not in item:
        raise OddValue(OddKind.MISSING)
    # Four decimals: those of currency pairs; prices in these answers have rounding errors of float32 (docs/dhan.md).
    return round(float(_number(item[name], MAX_PRICE)), 4)


def read_count(item: Mapping[str, Any], name: str) -> int:
    """Return the number of units, lots or orders `name`; only a volume may exceed 32 bits. Raises OddValue."""
    if name not in item:
        raise OddValue(OddKind.MISSING)
    number = _number(item[name], MAX_VOLUME if name == "volume" else MAX_COUNT)
    # Whole numbers come as floats too.
    if number != int(number):
        raise OddValue(OddKind.FORM)
    return int(number)


def printable(text: str, most: int) -> str:
    """Return the first `most` characters of `text`, with a space for each that cannot be printed.

    For logs and the database: PostgreSQL refuses NUL, and no encoder takes half of a surrogate pair.
    """
    return "".join(one if one.isprintable() else " " for one in text[:most])


def _read_quote(key: InstrumentKey, item: Mapping[str, Any], now: datetime, odd: OddItems) -> Quote:
    if key.segment is ExchangeSegment.IDX_I:
        item = {name: value for name, value in item.items() if name not in NOT_OF_INDICES or value is not None}
    day = as_object(item.get("ohlc", {}))
    # During a session the broker's close is that of the session before.
    day_close = read_optional(read_price, day, "close")
    return Quote(
        key,
        ltp=read_price(item, "last_price") or None,
        ltq=read_optional(read_count, item, "last_quantity"),
        ltt=_read_ltt(item.get("last_trade_time", ""), now),
        average_price=read_optional(read_price, item, "average_price"),
        volume=read_optional(read_count, item, "volume"),
        total_sell_quantity=read_optional(read_count, item, "sell_quantity"),
        total_buy_quantity=read_optional(read_count, item, "buy_quantity"),
        oi=read_optional(read_count, item, "oi"),
        oi_day_high=read_optional(read_count, item, "oi_day_high"),
        oi_day_low=read_optional(read_count, item, "oi_day_low"),
        day_open=read_optional(read_price, day, "open"),
        day_close=day_close,
        day_high=read_optional(read_price, day, "high"),
        day_low=read_optional(read_price, day, "low"),
        previous_close=day_close or None,
        # Last, so that an item which is left out is not counted for its depth, too.
        depth=_find_depth(key, item.get("depth", {}), odd),
    )


def read_optional(read: Callable[[Mapping[str, Any], str], Item], item: Mapping[str, Any], name: str) -> Item | None:
    """Return the member `name` by `read`; None where it is missing. Raises OddValue."""
    return read(item, name) if name in item else None


def _read_ltt(text: object, now: datetime) -> int | None:
    """Return `DD/MM/YYYY HH:MM:SS` as LTT (IST wall clock as if UTC); None if the instrument never traded."""
    if text == "":
        return None
    if not isinstance(text, str):
        raise OddValue(OddKind.NULL if text is None else OddKind.TIME)
    try:
        stamp = datetime.strptime(text, "%d/%m/%Y %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise OddValue(OddKind.TIME) from None
    if stamp - now > LATEST_TRADE:
        raise OddValue(OddKind.TIME)
    ltt = int(stamp.timestamp())
    # 01/01/1980 is the trade time of an instrument that never traded.
    return ltt if ltt >= FIRST_REAL_LTT else None


def _find_depth(key: InstrumentKey, value: object, odd: OddItems) -> Depth | None:
    """Return the depth; None of an index, which has none, and where a null takes the place of levels or their values.

    Null means that the broker has no such value. It does not put the price in doubt, as another odd value does.
    """
    if key.segment is ExchangeSegment.IDX_I:
        return None
    try:
        return _read_depth(value)
    except OddValue as error:
        if error.kind is not OddKind.NULL:
            raise
        odd.note(OddKind.NULL_DEPTH, f"{key.segment.name}:{key.security_id}")
        return None


def _read_depth(value: object) -> Depth | None:
    sides = as_object(value)
    if not sides:
        return None
    one, two, three, four, five = (
        DepthLevel(
            read_count(buy, "quantity"),
            read_count(sell, "quantity"),
            read_count(buy, "orders"),
            read_count(sell, "orders"),
            read_price(buy, "price"),
            read_price(sell, "price"),
        )
        for buy, sell in zip(_levels(sides.get("buy")), _levels(sides.get("sell")), strict=True)
    )
    return (one, two, three, four, five)


def _levels(side: object) -> Sequence[Mapping[str, Any]]:
    """Return the five levels of one side. Raises OddValue, of kind NULL for a side that is absent or empty."""
    if not isinstance(side, list):
        raise OddValue(_kind_of(side))
    if len(side) != DEPTH_LEVELS:
        raise OddValue(OddKind.DEPTH if side else OddKind.NULL)
    return [as_object(level) for level in side]


def as_object(value: object) -> Mapping[str, Any]:
    """Return a JSON object. Raises OddValue for any other value."""
    if not isinstance(value, dict):
        raise OddValue(_kind_of(value))
    return value


def _number(value: object, most: int) -> int | float:
    """Return a number from 0 to `most`. Raises OddValue."""
    # `bool` is a subclass of `int`.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OddValue(_kind_of(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise OddValue(OddKind.NOT_FINITE)
    if value < 0:
        raise OddValue(OddKind.NEGATIVE)
    # Compared before any conversion: an integer of 400 digits does not fit a float.
    if value > most:
        raise OddValue(OddKind.TOO_LARGE)
    return value


def _kind_of(value: object) -> OddKind:
    """Return the kind of a value of a wrong type."""
    if value is None:
        return OddKind.NULL
    return OddKind.TEXT if isinstance(value, str) else OddKind.FORM
