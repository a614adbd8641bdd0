"""How long to wait before a program that died is started again. Pure: time and chance come as arguments."""

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 10.0
CALM_SECONDS = 30.0  # who lived this long is forgiven its earlier deaths


def failures_after_death(failures: int, *, lived_seconds: float) -> int:
    """Return how many deaths in a row this one makes."""
    return 1 if lived_seconds >= CALM_SECONDS else failures + 1


def restart_delay(failures: int, *, draw: float) -> float:
    """Return the seconds to wait after the given number of deaths in a row, at least one.

    `draw` in [0, 1) spreads the wait over the upper half of its range, so that programs
    that died together do not come back together. The first wait is never spread: it is short.
    """
    if failures == 1:
        return FIRST_SECONDS
    # 2 ** 16 is far beyond the ceiling; the bound keeps the power small.
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + draw / 2)
