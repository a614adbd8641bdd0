"""Readings of five connections with default values, for the checks of /health."""

from collections.abc import Sequence
from typing import Any

from marketdata.domain.feed import ConnectionState
from subscriptions.selectors import PlacedCounts
from terminal.feed_health import Placement, Report
from tests.connection_factories import make_connection, make_report


def make_placement(
    *, load: int = 100, state: ConnectionState = ConnectionState.LIVE, on_their_way: int = 0
) -> Placement:
    """Return five connections of this load, `on_their_way` of which were placed on each a moment ago."""
    numbers = range(1, 6)
    return Placement(
        [make_connection(number, load=load, recorded_state=state) for number in numbers],
        {number: PlacedCounts(load, on_their_way) for number in numbers},
    )


def make_reports(
    *,
    state: ConnectionState = ConnectionState.LIVE,
    sent: int = 100,
    streaming: int = 99,
    age_seconds: float = 0.5,
    last_error: str = "",
    **report_values: Any,
) -> Sequence[Report]:
    """Return the same report of the owner of each connection, written `age_seconds` ago."""
    return [
        Report(
            make_report(number, state=state, sent=sent, streaming=streaming, last_error=last_error, **report_values),
            age_seconds,
        )
        for number in range(1, 6)
    ]
