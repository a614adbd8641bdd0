"""The JSON messages of the browser wire; the binary half is `frames`.

Pure: parses client messages into values and encodes the `feed` message. Every refusal carries a stable code and a
sentence. The client chooses the id of a watch; a second watch with the same id replaces the first.

    client                                                   server
    {"type": "watch", "id": "chain", "chain": {"symbol": "NIFTY", "expiry": "2026-11-24",
        "exchange": "NSE", "strikes": 25}}                   {"type": "chain", "id": ..., ...}; the chain streams
    {"type": "watch", "id": "list", "watchlist": true}       {"type": "watching", "id": ..., "instruments": [...]}
    {"type": "watch", "id": "strip", "instruments": [7, 9]}  the same
    {"type": "watch", "id": "scan", "scan": {"ranking": "oi_rise",
        "underlying": "NSE:NIFTY"}}                          {"type": "scan", "ranking": ..., ...}, once a second
    {"type": "watch", "id": "detail", "detail": 7}           {"type": "instrument", "id": ..., ...}; it streams, and
                                                             its details come in frames of their own (`details`)
    {"type": "unwatch", "id": "chain"}
    {"type": "rate", "hz": 4}                                1, 4 or 10
    {"type": "ack", "seq": 17}                               after a frame was applied
    {"type": "resync"}                                       a snapshot
    {"type": "ping"}                                         {"type": "pong"}
    at any time                                              welcome, feed, room, notice, watchlist_changed, error
    with watchlist_changed                                   the new answer to each watch of the list, if it changed
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from marketdata.domain.analytics.rankings import Ranking, Scan
from marketdata.streaming.feed_status import FeedStatus, Room, StreamState
from marketdata.streaming.outbox import RATES_HZ

# Chosen: the largest useful message, MAX_INSTRUMENTS ids of seven digits without spaces, has 16,060 bytes.
MAX_MESSAGE_BYTES: Final = 16 * 1024
# Chosen: nine chains of 101 strikes with both legs; one browser page shows one chain, a watchlist and a strip.
MAX_INSTRUMENTS: Final = 2_000
MAX_WATCHES: Final = 16  # Chosen: a page uses three.
_MAX_ID_LENGTH: Final = 32  # Chosen: room for a UUID in hexadecimal.
_MAX_TEXT_LENGTH: Final = 64  # Chosen: above the longest symbol of the listing.
_MAX_STRIKES: Final = 201  # Chosen: 100 strikes on each side of the ATM.
_RANKINGS: Final = tuple(one.value for one in Ranking)


@dataclass(frozen=True, slots=True)
class WatchChain:
    """Watch the window of a series. Without expiry: the nearest one; without strikes: the default width."""

    watch_id: str
    symbol: str
    expiry: str | None
    exchange: str | None
    strikes: int | None


@dataclass(frozen=True, slots=True)
class WatchWatchlist:
    """Watch the instruments of the trader's watchlist."""

    watch_id: str


@dataclass(frozen=True, slots=True)
class WatchInstruments:
    """Watch instruments by id."""

    watch_id: str
    instrument_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WatchDetail:
    """Watch one instrument with its details: depth and the day so far."""

    watch_id: str
    instrument_id: int


@dataclass(frozen=True, slots=True)
class WatchScan:
    """Watch one ranking of the scanner."""

    watch_id: str
    scan: Scan


@dataclass(frozen=True, slots=True)
class Unwatch:
    """End one watch."""

    watch_id: str


@dataclass(frozen=True, slots=True)
class SetRate:
    """Set the maximum of frames per second."""

    hz: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The client has applied every frame up to this one."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Resync:
    """Request a snapshot."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Request a pong."""


Watch = WatchChain | WatchWatchlist | WatchInstruments | WatchDetail
"""Watches that are resolved to instruments."""
ClientMessage = Watch | WatchScan | Unwatch | SetRate | Acknowledge | Resync | Ping


class MessageError(ValueError):
    """A refused message: `code` for programs, the text for people, `watch_id` if it concerns a watch."""

    def __init__(self, code: str, sentence: str, *, watch_id: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.watch_id = watch_id


Body = Mapping[str, Any]


def parse_client_message(text: str) -> ClientMessage:
    """Return the parsed message of a client. Raises MessageError."""
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MessageError("bad_json", "That is not JSON.") from None
    if not isinstance(body, dict):
        raise MessageError("bad_message", "A message is a JSON object.")
    # The type may be any JSON value; only a string can be a key of _PARSERS (a list is not hashable).
    kind = body.get("type")
    parser = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parser is None:
        raise MessageError("unknown_type", f"There is no message type {str(kind)[:_MAX_TEXT_LENGTH]!r}.")
    return parser(body)


def _parse_watch(body: Body) -> Watch | WatchScan:
    watch_id = _watch_id(body)
    if isinstance(body.get("chain"), dict):
        return _parse_chain(watch_id, body["chain"])
    if body.get("watchlist") is True:
        return WatchWatchlist(watch_id)
    if isinstance(body.get("instruments"), list):
        return WatchInstruments(watch_id, _instrument_ids(watch_id, body["instruments"]))
    if isinstance(body.get("scan"), dict):
        return WatchScan(watch_id, _parse_scan(watch_id, body["scan"]))
    if "detail" in body:
        return WatchDetail(watch_id, _instrument_ids(watch_id, [body["detail"]])[0])
    raise MessageError("bad_watch", "Watch a chain, a watchlist, instruments, a detail or a scan.", watch_id=watch_id)


def _parse_scan(watch_id: str, scan: Body) -> Scan:
    name = _text(scan, "ranking", watch_id)
    if name not in _RANKINGS:
        raise MessageError("bad_watch", f"ranking is one of {', '.join(_RANKINGS)}.", watch_id=watch_id)
    underlying = _text(scan, "underlying", watch_id)
    if underlying is not None and not underlying.isprintable():
        raise MessageError("bad_watch", "underlying is the name of one, NSE:NIFTY.", watch_id=watch_id)
    # Without the space at its ends, which the name of a scan does not keep.
    return Scan(Ranking(name), underlying.strip() or None if underlying is not None else None)


def _parse_chain(watch_id: str, chain: Body) -> WatchChain:
    strikes = chain.get("strikes")
    if strikes is not None and not _is_whole(strikes, low=1, high=_MAX_STRIKES):
        raise MessageError("bad_watch", f"strikes is a number from 1 to {_MAX_STRIKES}.", watch_id=watch_id)
    symbol = _text(chain, "symbol", watch_id)
    if symbol is None:
        raise MessageError("bad_watch", "A chain needs a symbol.", watch_id=watch_id)
    return WatchChain(
        watch_id=watch_id,
        symbol=symbol,
        expiry=_text(chain, "expiry", watch_id),
        exchange=_text(chain, "exchange", watch_id),
        strikes=strikes,
    )


def _text(body: Body, name: str, watch_id: str) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _MAX_TEXT_LENGTH:
        raise MessageError("bad_watch", f"{name} is a short text.", watch_id=watch_id)
    return value


def _instrument_ids(watch_id: str, listed: list[Any]) -> tuple[int, ...]:
    if len(listed) > MAX_INSTRUMENTS:
        raise MessageError(
            "too_many", f"One browser may watch {MAX_INSTRUMENTS:,} instruments at a time.", watch_id=watch_id
        )
    if not all(_is_whole(one, low=1, high=2**32 - 1) for one in listed):
        raise MessageError("bad_watch", "instruments is a list of instrument ids.", watch_id=watch_id)
    return tuple(listed)


def _parse_unwatch(body: Body) -> Unwatch:
    return Unwatch(_watch_id(body))


def _parse_rate(body: Body) -> SetRate:
    if not _is_whole(body.get("hz"), low=1, high=10) or body["hz"] not in RATES_HZ:
        raise MessageError("bad_rate", f"hz is one of {', '.join(map(str, RATES_HZ))}.")
    return SetRate(body["hz"])


def _parse_acknowledge(body: Body) -> Acknowledge:
    if not _is_whole(body.get("seq"), low=0, high=2**32 - 1):
        raise MessageError("bad_message", "seq is the sequence of a frame.")
    return Acknowledge(body["seq"])


def _watch_id(body: Body) -> str:
    watch_id = body.get("id")
    if not isinstance(watch_id, str) or not 0 < len(watch_id) <= _MAX_ID_LENGTH:
        raise MessageError("bad_watch", f"A watch has an id of 1 to {_MAX_ID_LENGTH} characters.")
    return watch_id


def _is_whole(value: object, *, low: int, high: int) -> bool:
    # In Python True is an int: {"hz": true} must not set a rate of 1.
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


_PARSERS: Final[Mapping[str, Callable[[Body], ClientMessage]]] = {
    "watch": _parse_watch,
    "unwatch": _parse_unwatch,
    "rate": _parse_rate,
    "ack": _parse_acknowledge,
    "resync": lambda _: Resync(),
    "ping": lambda _: Ping(),
}


def stopped_message(scan: Scan) -> dict[str, Any]:
    """Return the message of a scan that is not computed any more: nothing of it is known."""
    return {
        "type": "scan",
        "ranking": scan.ranking,
        "underlying": scan.underlying,
        "state": "stopped",
        "computed_at_ms": None,
        "base_seconds": None,
        "underlyings": [],
        "rows": [],
    }


def feed_message(feed: FeedStatus) -> dict[str, Any]:
    """Return the `feed` message of the browser wire."""
    return {
        "type": "feed",
        "state": feed.state.value,
        "live": feed.live_count,
        "total": len(feed.connections),
        "connections": [
            {"number": number, "state": status.value, "error": error}
            | ({"delay_seconds": feed.delays[number - 1]} if status is StreamState.DELAYED else {})
            for number, (status, error) in enumerate(zip(feed.connections, feed.errors, strict=True), start=1)
        ],
        "closed": {str(segment): since_ms for segment, since_ms in feed.closed},
        "changes_at": {str(segment): at_ms for segment, at_ms in feed.changes_at},
        "last_reconnect": feed.last_reconnect and asdict(feed.last_reconnect),
    }


def room_message(room: Room) -> dict[str, Any]:
    """Return the `room` message of the browser wire."""
    return {"type": "room", "used": room.used, "capacity": room.capacity}
