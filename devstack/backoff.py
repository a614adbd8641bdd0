"""How long to wait before a program that died is started again. Pure: time and chance come as arguments."""

FIRST_DELAY_SECONDS = 0.2
MAX_DELAY_SECONDS = 10.0
RESET_AFTER_SECONDS = 30.0  # who lived this long is forgiven its earlier deaths


def failures_after_exit(failures: int, *, uptime_seconds: float) -> int:
    """Return how many deaths in a row this one makes."""
    return 1 if uptime_seconds >= RESET_AFTER_SECONDS else failures + 1


def restart_delay(failures: int, *, random_fraction: float) -> float:
    """Return the seconds to wait after the given number of deaths in a row, at least one.

    `random_fraction` in [0, 1) spreads the wait over the upper half of its range, so that programs
    that died together do not come back together. The first wait is never spread: it is short.
    """
    if failures == 1:
        return FIRST_DELAY_SECONDS
    # 2 ** 16 is far beyond the ceiling; the bound keeps the power small.
    longest = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + random_fraction / 2)
