"""The last reconnect of a broker connection and its cause, for the status line of traders.

Pure. Owners count their disconnects by cause; a count that has grown between two reports names the cause even of an
outage that was shorter than the time between them. A new epoch is a new owner, whose counts begin at zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from marketdata.domain.feed import ConnectionReport, ConnectionState

NEW_OWNER: Final = "new_owner"
"""Cause beside those of `subscriptions.domain.connection_life`: another feed worker has the connection now."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """When a connection was live again (true UTC epoch), its number, and the cause of its loss."""

    at_ms: int
    connection: int
    cause: str


class ReconnectTracker:
    """Compares each report with the one before; knows nothing of the time before the first reports."""

    def __init__(self) -> None:
        self.last: Reconnect | None = None
        self._counts: dict[int, tuple[int, Mapping[str, int]]] = {}
        self._lost: dict[int, str] = {}

    def note(self, reports: Mapping[int, ConnectionReport], *, now_ms: int) -> None:
        """Compare the reports by connection with the former ones."""
        for number, report in reports.items():
            cause = self._cause_of(number, report)
            self._counts[number] = report.epoch, report.statistics.reconnects
            if cause is not None:
                self._lost[number] = cause
            if report.state is ConnectionState.LIVE and number in self._lost:
                self.last = Reconnect(now_ms, number, self._lost.pop(number))

    def _cause_of(self, number: int, report: ConnectionReport) -> str | None:
        """Return why the connection was lost since the former report; None if it was not."""
        if number not in self._counts:
            return None
        epoch, counts = self._counts[number]
        if report.epoch != epoch:
            return NEW_OWNER
        grown = [cause for cause, count in report.statistics.reconnects.items() if count > counts.get(cause, 0)]
        return grown[-1] if grown else None
