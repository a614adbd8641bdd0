"""How long to wait before the next attempt at a socket.

The first comes after one to two seconds, then exponentially with full jitter up to a minute. Where the token is
perhaps of no use, a minute at first, up to five. A socket that was mute is replaced as soon; if that one is mute
too, the broker may still hold the old one's place, and half a minute helps. Figures: failures seen in production,
as collected in docs/dhan.md. Chance is an argument, drawn uniformly from 0 to 1 by the caller.
"""

from typing import Final

FLOOR_SECONDS: Final = 1.0
CEILING_SECONDS: Final = 60.0
SLOW_FLOOR_SECONDS: Final = 60.0
SLOW_CEILING_SECONDS: Final = 300.0
HELD_SECONDS: Final = 30.0
"""How long the broker may hold the place of a socket that is gone."""


def backoff_seconds(*, attempt: int, chance: float) -> float:
    """Return the wait before attempt number `attempt`; 1 is the first after a loss."""
    return _jittered(FLOOR_SECONDS, CEILING_SECONDS, attempt, chance)


def doubt_seconds(*, attempt: int, chance: float) -> float:
    """Return the wait before another attempt with a token that the broker does not seem to like."""
    return _jittered(SLOW_FLOOR_SECONDS, SLOW_CEILING_SECONDS, attempt, chance)


def mute_seconds(*, attempt: int, chance: float) -> float:
    """Return the wait after the `attempt`-th socket in a row that fell silent."""
    if attempt == 1:
        return _jittered(FLOOR_SECONDS, CEILING_SECONDS, 1, chance)
    return _jittered(HELD_SECONDS, SLOW_CEILING_SECONDS, attempt - 1, chance)


def _jittered(floor: float, ceiling: float, attempt: int, chance: float) -> float:
    """Return a point between `floor` and twice, four, eight ... times it, never above `ceiling`."""
    doublings = min(attempt, 10)
    return floor + chance * (min(ceiling, floor * 2.0**doublings) - floor)
