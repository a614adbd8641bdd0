"""How long to wait before the next attempt at a socket, and what forbids one.

The first comes after one to two seconds, then exponentially with full jitter up to a minute; where the
broker asked for quiet or the token is of no use, a minute at first, up to five. Figures: failures seen in
production, as collected in docs/dhan.md. Chance is an argument.
"""

from typing import Final

from marketdata.dhan.disconnects import Reaction

FLOOR_SECONDS: Final = 1.0
CEILING_SECONDS: Final = 60.0
QUIET_FLOOR_SECONDS: Final = 60.0
QUIET_CEILING_SECONDS: Final = 300.0


def delay_seconds(*, reaction: Reaction, attempt: int, chance: float) -> float | None:
    """Return the wait before attempt number `attempt` (1 is the first after a loss); None forbids it.

    `chance` is drawn uniformly from 0 to 1 by the caller.
    """
    if reaction is Reaction.STOP:
        return None
    if reaction is Reaction.COME_BACK:
        return _jittered(FLOOR_SECONDS, CEILING_SECONDS, attempt, chance)
    return _jittered(QUIET_FLOOR_SECONDS, QUIET_CEILING_SECONDS, attempt, chance)


def _jittered(floor: float, ceiling: float, attempt: int, chance: float) -> float:
    """Return a point between `floor` and twice, four, eight ... times it, never above `ceiling`."""
    doublings = min(attempt, 10)
    return floor + chance * (min(ceiling, floor * 2.0**doublings) - floor)
