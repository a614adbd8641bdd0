"""What one socket's packets were, in plain integers, since it opened."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """What came since the socket opened; `packets` counts whole ones, whatever they say."""

    packets: int = 0
    bytes: int = 0  # of all messages, whatever they hold
    strangers: int = 0  # of instruments that are not in the table, such as late ones after an unsubscribe
    unknown: int = 0  # of a code or a length that is none of ours
    malformed: int = 0  # messages with a remainder that is no packet
    # Prices that were not believed, by `TickFault`; the first five cannot be, the last came late.
    not_finite: int = 0
    negative: int = 0
    zero: int = 0
    jump: int = 0
    future: int = 0
    older: int = 0

    @property
    def bad(self) -> int:
        """How many were malformed or impossible (`subscriptions.domain.bad_data` says how many are too many)."""
        return self.malformed + self.not_finite + self.negative + self.zero + self.jump + self.future
