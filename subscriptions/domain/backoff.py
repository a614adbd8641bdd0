"""The wait before the next attempt to open a socket: exponential backoff with jitter, by the kind of the last failure.

`chance` is a random number from 0 to 1, drawn by the caller. Analytics: failures seen in production (docs/dhan.md).
"""

from typing import Final

from marketdata.domain.backoff import seconds_after

# docs/dhan.md: a handshake may fail once and succeed at once after.
FLOOR_SECONDS: Final = 1.0
CEILING_SECONDS: Final = 60.0  # Chosen: an outage of the broker ends for us at most a minute late.
# docs/dhan.md: a refusal with 429 clears after a minute to five; the same range for a doubtful token.
SLOW_FLOOR_SECONDS: Final = 60.0
SLOW_CEILING_SECONDS: Final = 300.0  # As above: five minutes.
HELD_SECONDS: Final = 30.0
"""Chosen: near the 40 s after which the broker drops a silent client; until then it may count a lost socket."""


def backoff_seconds(*, attempt: int, chance: float) -> float:
    """Return the wait before attempt number `attempt`; 1 is the first after a disconnect."""
    return _jittered(FLOOR_SECONDS, CEILING_SECONDS, attempt, chance)


def doubt_seconds(*, attempt: int, chance: float) -> float:
    """Return the wait before another attempt with a token that the broker may refuse."""
    return _jittered(SLOW_FLOOR_SECONDS, SLOW_CEILING_SECONDS, attempt, chance)


def mute_seconds(*, attempt: int, chance: float) -> float:
    """Return the wait after the `attempt`-th mute socket in a row."""
    # The first is replaced as fast as after a network fault. If its successor is mute too, the broker may still count
    # the old socket, and time helps.
    if attempt == 1:
        return _jittered(FLOOR_SECONDS, CEILING_SECONDS, 1, chance)
    return _jittered(HELD_SECONDS, SLOW_CEILING_SECONDS, attempt - 1, chance)


def _jittered(floor: float, ceiling: float, attempt: int, chance: float) -> float:
    """Return a random wait from `floor` up to `floor` doubled `attempt` times, at most `ceiling`."""
    # Jitter over the whole range: the five connections fail together and must not come back together.
    return floor + chance * (seconds_after(attempt + 1, first=floor, longest=ceiling) - floor)
