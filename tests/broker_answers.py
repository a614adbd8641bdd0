"""Answers of the broker's REST API: well-formed items, and odd values by kind."""

import math
from collections.abc import Mapping
from typing import Any, Final

from hypothesis import strategies as st

from marketdata.dhan.rest_answers import OddKind


def make_item(price: float = 20.5, **changes: Any) -> dict[str, Any]:
    """Return one instrument of `marketfeed/quote` that traded at `price`, with the given members replaced."""
    return {
        "last_price": price,
        "last_quantity": 25,
        "last_trade_time": "10/02/2026 15:29:59",
        "average_price": price,
        "volume": 1_000,
        "buy_quantity": 500,
        "sell_quantity": 600,
        "oi": 4_000,
        "oi_day_high": 4_100,
        "oi_day_low": 3_900,
        "ohlc": {"open": price, "close": price - 2, "high": price + 3, "low": price - 3},
        "depth": {"buy": make_side(price - 0.05), "sell": make_side(price + 0.05)},
        **changes,
    }


def make_side(price: float, *, levels: int = 5) -> list[dict[str, float]]:
    """Return one side of the depth."""
    return [{"quantity": 25, "orders": 1, "price": price}] * levels


def make_body(data: object) -> dict[str, object]:
    """Return a successful answer with this content."""
    return {"data": data, "status": "success"}


ODD_PRICES: Final[Mapping[str, tuple[object, OddKind]]] = {
    "null": (None, OddKind.NULL),
    "dash": ("-", OddKind.TEXT),
    "empty text": ("", OddKind.TEXT),
    "number as text": ("20.5", OddKind.TEXT),
    "NaN": (math.nan, OddKind.NOT_FINITE),
    "Infinity": (math.inf, OddKind.NOT_FINITE),
    "-Infinity": (-math.inf, OddKind.NOT_FINITE),
    "negative": (-20.5, OddKind.NEGATIVE),
    "too large": (1e15, OddKind.TOO_LARGE),
    "400 digits": (10**400, OddKind.TOO_LARGE),
    "true": (True, OddKind.FORM),
    "list": ([20.5], OddKind.FORM),
    "object": ({"price": 20.5}, OddKind.FORM),
}
"""Values that are no price: name -> value and kind."""

ODD_ITEMS: Final[Mapping[str, tuple[object, OddKind]]] = {
    "null": (None, OddKind.NULL),
    "text": ("-", OddKind.TEXT),
    "number": (20.5, OddKind.FORM),
    "list": ([make_item()], OddKind.FORM),
    "empty": ({}, OddKind.MISSING),
    **{f"price {name}": (make_item(last_price=value), kind) for name, (value, kind) in ODD_PRICES.items()},
    **{f"volume {name}": (make_item(volume=value), kind) for name, (value, kind) in ODD_PRICES.items()},
    "open interest of 33 bits": (make_item(oi=2**32), OddKind.TOO_LARGE),
    "fraction of a unit": (make_item(oi=4_000.5), OddKind.FORM),
    "null ohlc": (make_item(ohlc=None), OddKind.NULL),
    "close is text": (make_item(ohlc={"close": "18.5"}), OddKind.TEXT),
    "short depth": (make_item(depth={"buy": make_side(20.0, levels=4), "sell": make_side(21.0)}), OddKind.DEPTH),
    "long depth": (make_item(depth={"buy": make_side(20.0, levels=20), "sell": make_side(21.0)}), OddKind.DEPTH),
    "depth as list": (make_item(depth=[make_side(20.0), make_side(21.0)]), OddKind.FORM),
    "level without orders": (
        make_item(depth={"buy": [{"quantity": 1, "price": 20.0}] * 5, "sell": make_side(21.0)}),
        OddKind.MISSING,
    ),
    "ISO time": (make_item(last_trade_time="2026-02-10T15:29:59"), OddKind.TIME),
    "time as number": (make_item(last_trade_time=1_770_737_399), OddKind.TIME),
    "time to come": (make_item(last_trade_time="10/02/2036 15:29:59"), OddKind.TIME),
    "null time": (make_item(last_trade_time=None), OddKind.NULL),
}
"""Items of `marketfeed/quote` that are left out: name -> item and kind."""

NULL_DEPTHS: Final[Mapping[str, object]] = {
    "null": None,
    "null sides": {"buy": None, "sell": None},
    "one null side": {"buy": make_side(20.0), "sell": None},
    "one side": {"buy": make_side(20.0)},
    "empty sides": {"buy": [], "sell": []},
    "null levels": {"buy": [None] * 5, "sell": make_side(21.0)},
    "null price of a level": {"buy": [{"quantity": 0, "orders": 0, "price": None}] * 5, "sell": make_side(21.0)},
}
"""Depths of an item that is taken without its depth, with the name of each."""

SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["-", "", "10/02/2026 15:29:59", "01/01/1980 00:00:00", "31/02/2026 00:00:00"])
)
JSON: Final = st.recursive(
    SCALARS,
    lambda one: st.lists(one, max_size=6) | st.dictionaries(st.text(max_size=8), one, max_size=6),
    max_leaves=12,
)
"""Any JSON value, small."""
FLAT: Final = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=8), SCALARS, max_size=3)
"""JSON values without further values inside: for members whose objects and lists are not read."""
QUOTE_ITEMS: Final = st.fixed_dictionaries(
    {},
    optional={
        name: (JSON if isinstance(value, dict) else FLAT) | st.just(value) for name, value in make_item().items()
    },
)
"""Items of `marketfeed/quote` with any value, or the right one, for each member."""
