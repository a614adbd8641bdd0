"""Reactions to the broker's refusals: reason codes of disconnect packets and statuses of a refused handshake.

Sources: the annexure of https://dhanhq.co/docs/v2/ and failures reported from production, read November 2026. The
durations of a wait are in `subscriptions.domain.backoff`.
"""

from enum import StrEnum
from typing import Final


class Reaction(StrEnum):
    """Action of an owner after its socket closed or its handshake failed."""

    COME_BACK = "come_back"  # reconnect, with backoff
    LOG_IN_AGAIN = "log_in_again"  # the access token is not valid any more
    DOUBT = "doubt"  # the access token may be invalid: wait for a new one, retry at long intervals
    WAIT = "wait"  # cooldown: the account opens no socket for a minute or more; open ones stay
    STOP_ALL = "stop_all"  # all sockets of the account close for a minute, else the broker blocks it
    FIX_PLAN = "fix_plan"  # too many instruments: no retry before the plan has fewer
    STOP = "stop"  # no attempt can succeed until the credentials change


# The annexure, "Data API error"; docs/dhan.md. The texts are for operators.
_MEANING_OF: Final[dict[int, tuple[Reaction, str]]] = {
    800: (Reaction.COME_BACK, "internal server error"),
    # The only documented code for too many instruments. The same plan would be refused again.
    804: (Reaction.FIX_PLAN, "more instruments than a connection may hold"),
    # Either a sixth connection or too many attempts. The broker threatens to block the account if they go on, so even
    # the healthy sockets close.
    805: (Reaction.STOP_ALL, "too many requests or connections"),
    806: (Reaction.STOP, "the account has no data subscription"),
    # 807 and 809 name the token; 808 names the client id or the token, so the same pair is not tried again.
    807: (Reaction.LOG_IN_AGAIN, "the access token has expired"),
    808: (Reaction.STOP, "authentication failed"),
    809: (Reaction.LOG_IN_AGAIN, "the access token is invalid"),
    810: (Reaction.STOP, "the client id is invalid"),
    814: (Reaction.STOP, "invalid request"),
    # Not in the annexure; one client project treats them like 806.
    820: (Reaction.STOP, "a market data subscription is required"),
    821: (Reaction.STOP, "a market data subscription is required"),
}

# Reported by users. 401 and 403 do not tell an invalid token from a passing failure, hence DOUBT.
_REACTION_TO_STATUS: Final[dict[int, Reaction]] = {
    401: Reaction.DOUBT,
    403: Reaction.DOUBT,
    # Counted for the account, not for the address: another connection would be refused as well.
    429: Reaction.WAIT,
}


def reaction_to(code: int) -> Reaction:
    """Return the reaction to a disconnect packet; COME_BACK for an undocumented code."""
    # An undocumented code must not stop a connection for the day; the backoff limits the attempts.
    return _MEANING_OF[code][0] if code in _MEANING_OF else Reaction.COME_BACK


def describe(code: int) -> str:
    """Return a disconnect code with its meaning, for operators.

    >>> describe(805)
    '805: too many requests or connections'
    """
    return f"{code}: {_MEANING_OF[code][1]}" if code in _MEANING_OF else f"{code}: not documented"


def reaction_to_refusal(status: int) -> Reaction:
    """Return the reaction to a handshake that was answered with an HTTP status."""
    # 400 is COME_BACK: it can mean an invalid token, but healthy accounts also get it on the first of two attempts.
    return _REACTION_TO_STATUS.get(status, Reaction.COME_BACK)
