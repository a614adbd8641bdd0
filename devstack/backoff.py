"""Restart backoff: the delay before a program that exited is started again. Pure."""

FIRST_DELAY_SECONDS = 0.2  # chosen: a single crash costs less than the lease of a feed owner, 3 s
MAX_DELAY_SECONDS = 10.0  # chosen: a repaired fault is noticed soon, and the log stays short until then
RESET_AFTER_SECONDS = 30.0  # chosen: longer than any program needs to start, so a crash at start-up always counts


def failures_after_exit(failures: int, *, uptime_seconds: float) -> int:
    """Return the number of exits in a row, this one included; a long uptime resets it to 1."""
    return 1 if uptime_seconds >= RESET_AFTER_SECONDS else failures + 1


def restart_delay(failures: int, *, random_fraction: float) -> float:
    """Return the seconds to wait after `failures` exits in a row, at least one: doubling, capped, with jitter.

    `random_fraction` in [0, 1) selects a point in the upper half of the delay, so that programs that died together
    do not restart together. The first delay has no jitter; it is short.
    """
    if failures == 1:
        return FIRST_DELAY_SECONDS
    # The exponent is bounded because 2.0 ** 1024 overflows; 2 ** 16 is far above the cap already.
    longest = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + random_fraction / 2)
