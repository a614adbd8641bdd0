"""Wanted minus sent: the messages that bring one socket to what it should stream.

Decides order and batches only; pacing and sending are the feed's. There is no acknowledgement for any of
these, so `sent` is what the socket was told, and only a fresh socket was told nothing.
"""

from collections.abc import Mapping

from marketdata.dhan.requests import SUBSCRIBE_CODE, UNSUBSCRIBE_CODE, Request, batches
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quotes import Mode

Modes = Mapping[InstrumentKey, Mode]
"""What one socket was told, or should be: the mode of each instrument."""


def commands_between(sent: Modes, wanted: Modes) -> list[Request]:
    """Return the messages that turn `sent` into `wanted`, the same for the same input; empty when equal.

    Unsubscribes come first, so that the connection is over capacity at no step; each goes with the mode that
    was subscribed, because the broker ignores any other. One message is of one mode and names at most
    MAX_INSTRUMENTS_PER_MESSAGE. Tickers come before quotes before full: spots decide what a chain shows.
    """
    gone = [(key, mode) for key, mode in sent.items() if wanted.get(key) is not mode]
    new = [(key, mode) for key, mode in wanted.items() if sent.get(key) is not mode]
    requests: list[Request] = []
    for codes, changes in ((UNSUBSCRIBE_CODE, gone), (SUBSCRIBE_CODE, new)):
        for mode in Mode:
            requests += batches(codes[mode], sorted(key for key, one in changes if one is mode))
    return requests


def sent_after(sent: Modes, request: Request) -> dict[InstrumentKey, Mode]:
    """Return what the socket has been told once `request` has gone out on top of `sent`."""
    after = dict(sent)
    for mode in Mode:
        if request.code is SUBSCRIBE_CODE[mode]:
            after |= dict.fromkeys(request.instruments, mode)
        elif request.code is UNSUBSCRIBE_CODE[mode]:
            for key in request.instruments:
                if after.get(key) is mode:
                    del after[key]
    return after
