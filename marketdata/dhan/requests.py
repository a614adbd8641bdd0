"""JSON messages to the DhanHQ v2 live feed, and the broker's limits.

Source: https://dhanhq.co/docs/v2/live-market-feed/ and its annexure, read November 2026. The broker acknowledges no
message; the only proof of a subscription is a packet.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Mode

# The page above, introduction; a sixth connection makes the broker drop the oldest (805).
MAX_CONNECTIONS = 5
# The same page; the behavior beyond these two limits is not documented, so code must never rely on it.
MAX_INSTRUMENTS_PER_CONNECTION = 5_000
MAX_INSTRUMENTS_PER_MESSAGE = 100


class RequestCode(IntEnum):
    """Request codes (annexure). An unsubscribe has an effect only with the code of the subscribed mode."""

    DISCONNECT = 12
    SUBSCRIBE_TICKER = 15
    UNSUBSCRIBE_TICKER = 16
    SUBSCRIBE_QUOTE = 17
    UNSUBSCRIBE_QUOTE = 18
    SUBSCRIBE_FULL = 21
    UNSUBSCRIBE_FULL = 22


SUBSCRIBE_CODE: dict[Mode, RequestCode] = {
    Mode.TICKER: RequestCode.SUBSCRIBE_TICKER,
    Mode.QUOTE: RequestCode.SUBSCRIBE_QUOTE,
    Mode.FULL: RequestCode.SUBSCRIBE_FULL,
}
# Always the code of the subscribed mode plus one. Any other code removes nothing, and the connection fills up unseen.
UNSUBSCRIBE_CODE: dict[Mode, RequestCode] = {mode: RequestCode(code + 1) for mode, code in SUBSCRIBE_CODE.items()}


@dataclass(frozen=True, slots=True)
class Request:
    """One message to the broker."""

    code: RequestCode
    instruments: tuple[InstrumentKey, ...] = ()


class RequestError(ValueError):
    """A client's message that the broker would ignore."""


def encode(request: Request) -> str:
    """Return the JSON text of `request`. Raises RequestError over MAX_INSTRUMENTS_PER_MESSAGE."""
    if request.code is RequestCode.DISCONNECT:
        return json.dumps({"RequestCode": int(request.code)})
    # The broker gives no error for a longer list, and no acknowledgement for a shorter one.
    if len(request.instruments) > MAX_INSTRUMENTS_PER_MESSAGE:
        raise RequestError(f"{len(request.instruments)} instruments in one message")
    return json.dumps(
        {
            "RequestCode": int(request.code),
            "InstrumentCount": len(request.instruments),
            "InstrumentList": [
                # Requests have the name of the segment and the id as text; packets have both as numbers.
                {"ExchangeSegment": key.segment.name, "SecurityId": str(key.security_id)}
                for key in request.instruments
            ],
        }
    )


def decode(text: str | bytes) -> Request:
    """Return the request in a message; ids may be text or numbers, unknown keys are ignored.

    Raises RequestError for a message that the broker ignores: not a JSON object, an unknown code or segment, an id that
    is not a number. The number of instruments is not checked: that is up to the server.
    """
    try:
        message: Any = json.loads(text)
        code = RequestCode(message["RequestCode"])
        listed = message.get("InstrumentList", [])
        keys = tuple(InstrumentKey(ExchangeSegment[one["ExchangeSegment"]], int(one["SecurityId"])) for one in listed)
    # Overflow: an id of `Infinity`, which Python reads as JSON. Recursion: a deeply nested text.
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RequestError(f"not a request: {error}") from error
    return Request(code, keys)


def batches(code: RequestCode, instruments: Sequence[InstrumentKey]) -> Iterator[Request]:
    """Yield requests of at most MAX_INSTRUMENTS_PER_MESSAGE that together name `instruments` in order."""
    for start in range(0, len(instruments), MAX_INSTRUMENTS_PER_MESSAGE):
        yield Request(code, tuple(instruments[start : start + MAX_INSTRUMENTS_PER_MESSAGE]))
