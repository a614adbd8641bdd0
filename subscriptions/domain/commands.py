"""The difference between the wanted and the sent set of one socket, as the messages that send it.

Decides order and batches; pacing and sending belong to `subscriptions.feed`. The broker acknowledges no message.
"""

from collections.abc import Mapping

from marketdata.dhan.requests import SUBSCRIBE_CODE, UNSUBSCRIBE_CODE, Request, batches
from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quotes import Mode

Modes = Mapping[InstrumentKey, Mode]
"""A wanted or sent set: the mode of each instrument."""


def commands_between(sent: Modes, wanted: Modes) -> list[Request]:
    """Return the messages that turn `sent` into `wanted`, the same for the same input; empty when equal.

    One message is of one mode and names at most MAX_INSTRUMENTS_PER_MESSAGE instruments, in the order of their keys.
    """
    # A changed mode is in both lists. An unsubscribe names the mode that was subscribed: the broker ignores any other.
    gone = [(key, mode) for key, mode in sent.items() if wanted.get(key) is not mode]
    new = [(key, mode) for key, mode in wanted.items() if sent.get(key) is not mode]
    # Unsubscribes first, so that the connection is over capacity at no step. Tickers before quotes before full: the
    # spots are tickers, and they decide what a chain shows.
    requests: list[Request] = []
    for codes, changes in ((UNSUBSCRIBE_CODE, gone), (SUBSCRIBE_CODE, new)):
        for mode in Mode:
            requests += batches(codes[mode], sorted(key for key, one in changes if one is mode))
    return requests


def sent_after(sent: Modes, request: Request) -> dict[InstrumentKey, Mode]:
    """Return the sent set after `request` was sent on top of `sent`."""
    after = dict(sent)
    for mode in Mode:
        if request.code is SUBSCRIBE_CODE[mode]:
            after |= dict.fromkeys(request.instruments, mode)
        elif request.code is UNSUBSCRIBE_CODE[mode]:
            for key in request.instruments:
                if after.get(key) is mode:
                    del after[key]
    return after
