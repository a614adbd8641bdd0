from dataclasses import asdict

import pytest

from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.feed_statistics import FeedStatistics

REPORT = ConnectionReport(
    2, "worker-1", 5, ConnectionState.MUTE, 50, 50, 49, 1_000, 12.5, None, 2_000, "", FeedStatistics(packets=7), (1, 2)
)


def test_a_report_survives_its_own_encoding() -> None:
    assert ConnectionReport.parse(asdict(REPORT)) == REPORT


def test_a_report_of_another_version_is_read_without_its_unknown_fields() -> None:
    values = asdict(REPORT) | {"altitude": 3}
    del values["ticking"], values["statistics"]

    report = ConnectionReport.parse(values)

    assert (report.state, report.ticking, report.statistics) == (ConnectionState.MUTE, (), FeedStatistics())


@pytest.mark.parametrize("state", ConnectionState)
def test_every_state_is_parsed(state: ConnectionState) -> None:
    assert ConnectionState.parse(state.value) is state


def test_an_unknown_state_of_another_version_is_never_live() -> None:
    assert ConnectionState.parse("hibernating") is ConnectionState.OPENING
