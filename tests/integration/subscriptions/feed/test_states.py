"""The recorded state of a connection, and the time since which it is lost."""

from datetime import UTC, datetime

import pytest

from marketdata.domain.feed import ConnectionState
from subscriptions import selectors
from subscriptions.feed.ownership.statements import Lease
from subscriptions.feed.publishing.states import write_state
from subscriptions.models import FeedConnection
from tests.integration.subscriptions.connection_rules import lose, make_live

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
REFUSED = (ConnectionState.RECONNECTING, "refused", 1)
REFUSED_AGAIN = (ConnectionState.RECONNECTING, "refused", 2)


def lost_since(number: int) -> datetime | None:
    return FeedConnection.objects.get(number=number).lost_since


def test_a_loss_begins_at_the_first_failed_attempt_while_another_connection_is_live() -> None:
    make_live(1, 2)
    FeedConnection.objects.filter(number=2).update(since=LONG_AGO)
    write_state(Lease(1, 1), *REFUSED)
    first = lost_since(1)

    write_state(Lease(1, 1), *REFUSED_AGAIN)

    assert first is not None
    assert lost_since(1) == first
    write_state(Lease(1, 1), ConnectionState.LIVE, "", 0)
    assert lost_since(1) is None


def test_a_failed_attempt_while_no_connection_is_live_restarts_the_loss() -> None:
    make_live(1)
    FeedConnection.objects.filter(number=1).update(lost_since=LONG_AGO)

    write_state(Lease(1, 1), *REFUSED_AGAIN)

    since = lost_since(1)
    assert since is not None
    assert since > LONG_AGO


def test_a_connection_stays_failed_over_until_a_socket_is_open() -> None:
    make_live(1, 2)
    write_state(Lease(1, 1), *REFUSED)
    FeedConnection.objects.filter(number=1).update(state="failed_over")

    write_state(Lease(1, 1), ConnectionState.OPENING, "refused", 1)
    assert FeedConnection.objects.get(number=1).state == "failed_over"
    write_state(Lease(1, 1), ConnectionState.SUBSCRIBING, "", 0)
    assert FeedConnection.objects.get(number=1).state == "subscribing"


def test_a_former_owner_records_nothing() -> None:
    make_live(1)

    write_state(Lease(1, 0), *REFUSED)

    assert FeedConnection.objects.get(number=1).state == "live"
    assert lost_since(1) is None


def test_recording_the_same_state_again_does_not_change_its_time() -> None:
    make_live(1)
    FeedConnection.objects.filter(number=1).update(state="reconnecting", since=LONG_AGO)

    write_state(Lease(1, 1), *REFUSED_AGAIN)

    assert FeedConnection.objects.get(number=1).since == LONG_AGO


def test_the_listed_connections_distinguish_live_lost_and_waiting() -> None:
    make_live(1, 2, 3)
    lose(2)
    FeedConnection.objects.filter(number=3).update(state="reconnecting", lost_since=LONG_AGO)

    connections = selectors.list_connections()

    assert [one.is_live for one in connections] == [True, False, False, False, False]
    assert [one.lost_since is not None for one in connections] == [False, True, True, False, False]
    assert connections[2].lost_since == LONG_AGO
    assert (
        7 < (connections[1].read_at - (connections[1].lost_since or connections[1].read_at)).total_seconds() < 10
    )  # 5 s since the expiry and 3 s of lease
