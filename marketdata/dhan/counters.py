"""Counters of one socket's packets since it opened."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counts since the socket opened; `packets` counts every whole packet of a known code."""

    # Code, length and completeness are checked before this count, instruments and prices after it.
    packets: int = 0
    bytes: int = 0  # of all messages
    strangers: int = 0  # ticks of instruments that are not in the table, such as late ones after an unsubscribe
    unknown: int = 0  # packets with an unknown code, or a length that does not fit the code
    malformed: int = 0  # messages that end in an incomplete packet
    # Rejected ticks by `TickFault`: the first five are invalid, the last one came late.
    not_finite: int = 0
    negative: int = 0
    zero: int = 0
    jump: int = 0
    future: int = 0
    older: int = 0

    @property
    def bad(self) -> int:
        """Number of malformed messages and invalid prices; `subscriptions.domain.bad_data` has the limit."""
        return self.malformed + self.not_finite + self.negative + self.zero + self.jump + self.future
