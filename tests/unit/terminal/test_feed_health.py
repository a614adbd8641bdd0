"""The feed part of /health: live, on their way, late, silent, and without a database."""

import pytest

from marketdata.domain.feed import ConnectionState, Delivery, DeliveryReading
from terminal.feed_health import KnownLoads, Placement, Report, check_feed
from terminal.health_parts import Status
from tests.connection_factories import make_report
from tests.unit.terminal.feed_readings import make_placement, make_reports

LARGE = 4_980  # of each connection: 24,900 in total


@pytest.mark.parametrize(
    ("placement", "reports", "expected"),
    [
        (make_placement(), make_reports(), Status.OK),
        (make_placement(), make_reports(state=ConnectionState.SUBSCRIBING), Status.OK),
        (make_placement(), make_reports(state=ConnectionState.RECONNECTING), Status.FAILING),
        (make_placement(state=ConnectionState.WANTED), [], Status.FAILING),
        (make_placement(load=0, state=ConnectionState.WANTED), [], Status.OK),
        (make_placement(), make_reports(sent=50), Status.FAILING),
        (make_placement(), make_reports(state=ConnectionState.SUBSCRIBING, sent=50), Status.FAILING),
        (make_placement(), make_reports(sent=95), Status.DEGRADED),
    ],
)
def test_a_connection_with_a_load_must_be_live_and_have_sent_its_set(
    placement: Placement, reports: list[Report], expected: Status
) -> None:
    assert check_feed(placement, reports, {}).status is expected


@pytest.mark.parametrize(
    ("on_their_way", "unsent", "expected"),
    [
        (10, 10, Status.OK),  # 50 of 24,900, placed a moment ago
        (49, 49, Status.OK),
        (50, 50, Status.DEGRADED),  # 1 % and more
        (10, 11, Status.DEGRADED),  # one of each connection waits for longer
        (0, 1, Status.DEGRADED),
        (2_000, 2_000, Status.DEGRADED),  # a preload after the start: not yet missing
    ],
)
def test_few_subscriptions_on_their_way_are_ok_and_counted(on_their_way: int, unsent: int, expected: Status) -> None:
    placement = make_placement(load=LARGE, on_their_way=on_their_way)

    part = check_feed(placement, make_reports(sent=LARGE - unsent), {})

    assert (part.status, part.details["unsent"]) == (expected, 5 * unsent)


def test_the_reason_states_how_many_wait_for_longer() -> None:
    part = check_feed(make_placement(load=LARGE, on_their_way=10), make_reports(sent=LARGE - 11), {})

    assert part.reason == "24845 of 24900 instruments were requested from the broker so far; 5 wait for more than 3 s"


def test_more_sent_than_placed_hides_no_missing_one_of_another_connection() -> None:
    reports = [Report(make_report(number, sent=100 + (5 if number == 1 else -1)), 0.5) for number in range(1, 6)]

    part = check_feed(make_placement(), reports, {})

    assert (part.status, part.details["unsent"]) == (Status.DEGRADED, 4)


@pytest.mark.parametrize(
    ("age_seconds", "expected"), [(1.0, Status.OK), (1.8, Status.OK), (1.9, Status.FAILING), (4.5, Status.FAILING)]
)
def test_an_owner_whose_reports_stop_is_failing_within_two_seconds(age_seconds: float, expected: Status) -> None:
    assert check_feed(make_placement(), make_reports(age_seconds=age_seconds), {}).status is expected


def test_a_silent_owner_is_named() -> None:
    reports = [*make_reports()[:4], Report(make_report(5), 1.94)]

    part = check_feed(make_placement(), reports, {})

    assert part.reason == "not live: connection 5 (no report of its owner for 1.9 s: frozen, or cut off)"


def test_a_connection_that_is_not_live_shows_its_reason() -> None:
    stopped = make_reports(state=ConnectionState.STOPPED, last_error="808: authentication failed")[:1]

    part = check_feed(make_placement(), [*stopped, *make_reports()[1:]], {})

    assert part.reason == "not live: connection 1 (stopped: 808: authentication failed)"
    assert part.body()["connections"][0]["reason"] == "808: authentication failed"


def test_without_a_database_the_owners_counts_decide() -> None:
    flowing = check_feed(None, make_reports(), {})
    partly = check_feed(None, make_reports(sent=80), {})
    frozen = check_feed(None, make_reports(age_seconds=2.5), {})

    assert (flowing.status, partly.status, frozen.status) == (Status.OK, Status.FAILING, Status.FAILING)
    assert (flowing.details["streaming"], flowing.details["drift"]) == (495, None)


def test_without_a_database_a_missing_owner_fails_only_where_it_had_a_load() -> None:
    four = make_reports()[:4]
    known = KnownLoads()
    known.note(make_placement(load=7))

    assert check_feed(None, four, known.by_number).status is Status.FAILING
    assert check_feed(None, four, {5: 0}).status is Status.OK
    assert check_feed(None, [], {}).status is Status.FAILING


def test_streaming_and_drift_are_counted() -> None:
    details = check_feed(make_placement(), make_reports(), {}).details

    assert (details["streaming"], details["drift"]) == (495, 5)


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        (DeliveryReading(Delivery.FLOWING, 400, 400), Status.OK),
        (DeliveryReading(Delivery.SILENT, 0, 400), Status.FAILING),
        (DeliveryReading(Delivery.STARVED, 12, 4_000), Status.FAILING),
        (DeliveryReading(Delivery.SILENT, 0, 0), Status.OK),  # the session is over
    ],
)
def test_the_feed_fails_while_packets_are_due_and_do_not_come(delivery: DeliveryReading, expected: Status) -> None:
    assert check_feed(make_placement(), make_reports(delivery=delivery), {}).status is expected


@pytest.mark.parametrize(("lag", "expected"), [(None, "ok"), (3.0, "ok"), (8.0, "degraded"), (31.0, "failing")])
def test_a_late_feed_is_degraded_and_a_far_too_late_one_fails(lag: float | None, expected: str) -> None:
    assert check_feed(make_placement(), make_reports(trade_lag_seconds=lag), {}).status == expected
