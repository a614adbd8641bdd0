"""What the broker's refusals ask of us: come back, log in again, wait, or stop, alone or all together.

Knows the reason codes of disconnect packets and the HTTP statuses of a refused handshake, and the words an
operator reads for them. Source: the annexure of https://dhanhq.co/docs/v2/ and failures seen in production,
read November 2026. How long a wait is, is decided in `subscriptions`.
"""

from enum import StrEnum
from typing import Final


class Reaction(StrEnum):
    """What an owner does after it lost, or did not get, its socket."""

    COME_BACK = "come_back"  # reconnect, with backoff
    LOG_IN_AGAIN = "log_in_again"  # the access token is of no use any more
    DOUBT = "doubt"  # the access token may be of no use: wait for another, and try now and then
    WAIT = "wait"  # nobody opens a socket for a minute at least; open ones stay
    STOP_ALL = "stop_all"  # all sockets of the account are closed for a minute, or the broker blocks it
    FIX_PLAN = "fix_plan"  # what we ask for is wrong: not again before we ask for less
    STOP = "stop"  # no attempt can succeed until the credentials change


_MEANING_OF: Final[dict[int, tuple[Reaction, str]]] = {
    800: (Reaction.COME_BACK, "internal server error"),
    804: (Reaction.FIX_PLAN, "more instruments than a connection may hold"),
    805: (Reaction.STOP_ALL, "too many requests or connections"),
    806: (Reaction.STOP, "the account has no data subscription"),
    807: (Reaction.LOG_IN_AGAIN, "the access token has expired"),
    808: (Reaction.STOP, "authentication failed"),
    809: (Reaction.LOG_IN_AGAIN, "the access token is invalid"),
    810: (Reaction.STOP, "the client id is invalid"),
    814: (Reaction.STOP, "invalid request"),
    # Seen by one client project beside 806.
    820: (Reaction.STOP, "a market data subscription is required"),
    821: (Reaction.STOP, "a market data subscription is required"),
}

_REACTION_TO_STATUS: Final[dict[int, Reaction]] = {
    401: Reaction.DOUBT,
    403: Reaction.DOUBT,
    429: Reaction.WAIT,
}


def reaction_to(code: int) -> Reaction:
    """Return what to do after a disconnect packet; a code nobody has documented is worth another attempt."""
    return _MEANING_OF[code][0] if code in _MEANING_OF else Reaction.COME_BACK


def describe(code: int) -> str:
    """Return a disconnect code in an operator's words.

    >>> describe(805)
    '805: too many requests or connections'
    """
    return f"{code}: {_MEANING_OF[code][1]}" if code in _MEANING_OF else f"{code}: not documented"


def reaction_to_refusal(status: int) -> Reaction:
    """Return what to do after a handshake was answered with an HTTP status.

    400 may be a bad token, but is also what a healthy account gets now and then on the first of two attempts.
    """
    return _REACTION_TO_STATUS.get(status, Reaction.COME_BACK)
