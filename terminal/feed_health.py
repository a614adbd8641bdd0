"""The feed part of `/health`: whether the instruments that traders watch come from the broker.

PostgreSQL knows what each connection should carry, Redis what its owner carries. Both are read at once. While
PostgreSQL does not answer, the owners' own counts replace its figures, since prices do not pass through it. A
subscription on its way, placed a moment ago, is no fault. An owner whose reports stop is silent: frozen, or cut off.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from marketdata.domain.feed import LATE_SECONDS, ConnectionReport, ConnectionState, Delivery
from marketdata.quote_board import CONNECTION_NUMBERS, QuoteBoard
from subscriptions import selectors as subscriptions
from subscriptions.domain.connections import ConnectionStatus
from subscriptions.selectors import PlacedCounts
from terminal.health_parts import Part, Status

# Chosen: of the instruments that are no longer on their way; fewer than this means that prices are missing.
MIN_SENT_RATIO: Final = 0.9
# Chosen: a few traders who open index chains (202 legs) at full capacity are ordinary work; more is worth a look.
MAX_UNSENT_RATIO: Final = 0.01
# Chosen: owners report once a second, and a frozen one must show within two seconds.
SILENT_SECONDS: Final = 1.8
# States with an open socket; the number of sent instruments is checked separately.
_OPEN: Final = frozenset({ConnectionState.SUBSCRIBING, ConnectionState.LIVE})


@dataclass(frozen=True, slots=True)
class Placement:
    """Readings from PostgreSQL: the connections, and the subscriptions placed on each."""

    connections: Sequence[ConnectionStatus]
    placed: Mapping[int, PlacedCounts]


@dataclass(frozen=True, slots=True)
class Report:
    """The report of one owner, and the seconds since Redis received it."""

    report: ConnectionReport
    age_seconds: float


class KnownLoads:
    """The loads that this process read last: an owner may die while PostgreSQL does not answer."""

    def __init__(self) -> None:
        self.by_number: Mapping[int, int] = {}

    def note(self, placement: Placement) -> None:
        """Keep the loads of this reading."""
        self.by_number = {one.number: one.load for one in placement.connections}


known_loads: Final = KnownLoads()


@dataclass(frozen=True, slots=True)
class _Connection:
    """One connection as it is judged; counts are of instruments."""

    number: int
    state: ConnectionState
    reason: str
    load: int
    sent: int
    streaming: int
    on_their_way: int
    age_seconds: float | None  # of the report; None without an owner
    report: ConnectionReport | None

    @property
    def is_silent(self) -> bool:
        return self.age_seconds is not None and self.age_seconds > SILENT_SECONDS

    @property
    def is_down(self) -> bool:
        return self.is_silent or self.state not in _OPEN

    @property
    def unsent(self) -> int:
        return max(self.load - self.sent, 0)

    @property
    def overdue(self) -> int:
        return max(self.unsent - self.on_their_way, 0)

    def body(self) -> dict[str, Any]:
        return {
            "ws_id": self.number,
            "state": self.state,
            **({"reason": self.reason} if self.reason else {}),
            "load": self.load,
            "sent": self.sent,
            "streaming": self.streaming,
            **(self._delivery(self.report) if self.report else {}),
        }

    @staticmethod
    def _delivery(report: ConnectionReport) -> dict[str, Any]:
        return {
            "delivery": report.delivery.condition.name.lower(),
            "packet_age_seconds": report.packet_age_seconds,
            "received": report.delivery.received,
            "due": report.delivery.due,
            "trade_lag_seconds": report.trade_lag_seconds,
        }

    def describe(self) -> str:
        if self.is_silent:
            return f"{self.number} (no report of its owner for {self.age_seconds:.1f} s: frozen, or cut off)"
        return f"{self.number} ({self.state}{': ' if self.reason else ''}{self.reason})"


def read_placement() -> Placement:
    """Read PostgreSQL, in two queries. Raises django.db.Error."""
    return Placement(subscriptions.list_connections(), subscriptions.count_placed())


def read_reports(board: QuoteBoard) -> Sequence[Report]:
    """Read Redis. Raises BoardError."""
    return [Report(report, age) for report, age in board.list_report_ages()]


def check_feed(placement: Placement | None, reports: Sequence[Report], known: Mapping[int, int]) -> Part:
    """Check that each connection with a load has a living owner, an open socket, and has sent its instruments.

    Without `placement` the load of a connection is what its owner wants, or the last one that is `known`.
    """
    found = {one.report.connection: one for one in reports}
    connections = _placed(placement, found) if placement else _reported(found, known)
    loaded = [one for one in connections if one.load]
    unsent = sum(one.unsent for one in loaded if not one.is_down)
    details = {
        "streaming": sum(one.streaming for one in connections),
        "drift": _drift(placement, connections),
        "unsent": unsent,
        "connections": [one.body() for one in connections],
    }
    if placement is None and not reports:
        return Part(Status.FAILING, "no owner of a connection reports, and the database does not answer", details)
    down = [one.describe() for one in loaded if one.is_down]
    if down:
        return Part(Status.FAILING, f"not live: connection {', '.join(down)}", details)
    live = [one.report for one in loaded if one.report is not None]
    if (old_prices := _describe_old_prices(live)) is not None:
        return Part(Status.FAILING, old_prices, details)
    load, overdue = sum(one.load for one in loaded), sum(one.overdue for one in loaded)
    reason = f"{load - unsent} of {load} instruments were requested from the broker so far"
    if overdue > load * (1 - MIN_SENT_RATIO):
        return Part(Status.FAILING, reason, details)
    if overdue:
        late = f"{overdue} wait for more than {subscriptions.ON_THEIR_WAY_SECONDS} s"
        return Part(Status.DEGRADED, f"{reason}; {late}", details)
    if unsent >= load * MAX_UNSENT_RATIO and unsent:
        return Part(Status.DEGRADED, reason, details)
    if delay_seconds := max((one.delay_seconds for one in live), default=0):
        return Part(Status.DEGRADED, f"trades arrive up to {delay_seconds} s late", details)
    return Part(Status.OK, details=details)


def _describe_old_prices(live: Iterable[ConnectionReport]) -> str | None:
    """Return which connections have prices that stand still or are far too late, or None."""
    # Out of session nothing is due, and prices that stand still are the last ones.
    reports = list(live)
    still = [one for one in reports if one.delivery.due and one.delivery.condition is not Delivery.FLOWING]
    if still:
        names = ", ".join(f"{one.connection} ({one.delivery.condition.name.lower()})" for one in still)
        return f"packets are due and do not come: connection {names}"
    late = [str(one.connection) for one in reports if one.is_late]
    return f"trades arrive over {LATE_SECONDS:.0f} s late: connection {', '.join(late)}" if late else None


def _placed(placement: Placement, reports: Mapping[int, Report]) -> Sequence[_Connection]:
    return [
        _connection(
            one.with_report(found.report if found else None),
            on_their_way=placed.on_their_way if placed else 0,
            age_seconds=found.age_seconds if found else None,
        )
        for one, found, placed in (
            (one, reports.get(one.number), placement.placed.get(one.number)) for one in placement.connections
        )
    ]


def _connection(status: ConnectionStatus, *, on_their_way: int, age_seconds: float | None) -> _Connection:
    return _Connection(
        number=status.number,
        state=status.state,
        reason=status.last_error,
        load=status.load,
        sent=status.sent or 0,
        streaming=status.streaming or 0,
        on_their_way=on_their_way,
        age_seconds=age_seconds,
        report=status.report,
    )


def _reported(reports: Mapping[int, Report], known: Mapping[int, int]) -> Sequence[_Connection]:
    """Return the connections as their owners describe them, without PostgreSQL."""
    return [
        _of_report(reports[number])
        if number in reports
        else _Connection(number, ConnectionState.WANTED, "", known.get(number, 0), 0, 0, 0, None, None)
        for number in CONNECTION_NUMBERS
    ]


def _of_report(one: Report) -> _Connection:
    report = one.report
    # Nothing is on its way: nothing is placed while PostgreSQL does not answer.
    return _Connection(
        number=report.connection,
        state=report.state,
        reason=report.last_error,
        load=report.wanted,
        sent=report.sent,
        streaming=report.streaming,
        on_their_way=0,
        age_seconds=one.age_seconds,
        report=report,
    )


def _drift(placement: Placement | None, connections: Iterable[_Connection]) -> int | None:
    """Return wanted minus streaming; unknown without PostgreSQL."""
    if placement is None:
        return None
    return sum(one.total for one in placement.placed.values()) - sum(one.streaming for one in connections)
