"""Odd items in REST answers: one spoiler for each fault of items, and the faults of whole answers.

An item is one instrument of a marketfeed answer, one leg of an option chain, one date of an expiry list, one value of a
candle, or one field of a profile or of a new token. A fault of items changes the first items of an answer, as many as
its dial says, or all. Bodies are written by Python's encoder, which knows NaN, Infinity and integers of any length.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

from starlette.responses import Response

from simulator.faults import Faults

Item = Any
HUGE: Final = 10**400  # chosen: no float holds it
PAGE: Final = "<html><body><h1>Service Unavailable</h1></body></html>"
UNKNOWN_SEGMENT: Final = "NSE_XX"


def _with_price(value: object) -> Callable[[Item], Item]:
    """Return the spoiler that replaces the last price of an item, or an item that is a single value."""
    return lambda item: {**item, "last_price": value} if isinstance(item, dict) else value


def _without_price(item: Item) -> Item:
    if not isinstance(item, dict):
        return ""
    return {name: value for name, value in item.items() if name != "last_price"}


def _with_depth(change: Callable[[list[Item]], object]) -> Callable[[Item], Item]:
    """Return the spoiler that changes both sides of the depth; an item without depth stays as it is."""

    def spoil(item: Item) -> Item:
        if not isinstance(item, dict) or "depth" not in item:
            return item
        sides = item["depth"].items()
        # Another fault may have removed the levels already.
        return {**item, "depth": {side: change(levels) if levels else levels for side, levels in sides}}

    return spoil


def _with_iso_time(item: Item) -> Item:
    if not isinstance(item, dict) or "last_trade_time" not in item:
        return item
    stamp = datetime.strptime(item["last_trade_time"], "%d/%m/%Y %H:%M:%S")  # noqa: DTZ007  IST, as the broker's.
    return {**item, "last_trade_time": stamp.isoformat()}


SPOILERS: Final[Mapping[str, Callable[[Item], Item]]] = {
    "rest_null": lambda _: None,
    "rest_missing": _without_price,
    "rest_text": _with_price("-"),
    "rest_nan": _with_price(math.nan),
    "rest_infinity": _with_price(math.inf),
    "rest_negative": _with_price(-20.5),
    "rest_huge": _with_price(HUGE),
    "rest_list": lambda item: [item],
    "rest_null_sides": _with_depth(lambda _: None),
    "rest_short_depth": _with_depth(lambda levels: levels[:3]),
    "rest_long_depth": _with_depth(lambda levels: levels * 4),
    "rest_iso_time": _with_iso_time,
}


def respond(body: dict[str, Any], faults: Faults, encode: Callable[[object], str] = json.dumps) -> Response:
    """Return a successful answer with the active faults; `body` may change."""
    if (status := faults.dial("rest_status")) is not None:
        refusal = {"errorType": "Others", "errorCode": "DH-910", "errorMessage": "Refused by a fault."}
        return Response(json.dumps(refusal), status_code=int(status), media_type="application/json")
    if faults.dial("rest_no_json") is not None:
        return Response(PAGE, media_type="text/html")
    for name, spoil in SPOILERS.items():
        dial = faults.dial(name)
        if dial is not None:
            for holder, place in islice(list(_places(body)), None if dial < 0 else int(dial)):
                holder[place] = spoil(holder[place])
    if faults.dial("rest_unknown_segment") is not None and isinstance(body.get("data"), dict):
        body["data"] = {UNKNOWN_SEGMENT: {"1": {"last_price": 1.0}}, **body["data"]}
    if faults.dial("rest_no_data") is not None:
        body = {**body, "data": None}
    return Response(encode(body), media_type="application/json")


def _places(body: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the holder and the place of each item, in the order of the answer."""
    match body.get("data", body):
        case {"oc": dict(strikes)}:
            for legs in strikes.values():
                yield from ((legs, side) for side in legs)
        case list(dates):
            yield from ((dates, position) for position in range(len(dates)))
        case {"timestamp": list(days), **columns}:
            for position in range(len(days)):
                yield from ((column, position) for column in (*columns.values(), days))
        case dict(fields) if fields is body:
            yield from ((body, name) for name in body)
        case dict(segments):
            for items in segments.values():
                yield from ((items, security_id) for security_id in items)
