"""The account's row as workers share it: held slots, and one replacement for bad data at a time."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from marketdata.domain.feed import ConnectionState
from subscriptions.models import FeedConnection, FeedGate
from tests.integration.subscriptions.feed.lease_sessions import OpenSession, take

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("settled_database")]

WINDOW = 10.0


@pytest.fixture(autouse=True)
def connection_two_is_live(open_session: OpenSession) -> None:
    """Let another worker own connection 2, live."""
    assert take(open_session("neighbor"), 2) is not None
    FeedConnection.objects.filter(number=2).update(state=ConnectionState.LIVE)


def test_an_805_on_another_worker_is_explained_by_a_risk_and_every_later_worker_knows(
    open_session: OpenSession,
) -> None:
    one, other = open_session("one"), open_session("other")
    assert not one.is_slot_held(1)
    assert one.risk_slot(1, window_seconds=WINDOW)

    assert other.explain_refusal(window_seconds=WINDOW)

    one.close()
    other.close()
    later = open_session("later")
    assert later.is_slot_held(1)
    assert not later.risk_slot(1, window_seconds=WINDOW)


def test_slots_count_as_held_until_the_end_of_the_day_in_india(open_session: OpenSession) -> None:
    session = open_session("one")
    session.risk_slot(1, window_seconds=WINDOW)

    session.explain_refusal(window_seconds=WINDOW)

    until = FeedGate.objects.get().slots_held_until
    assert until is not None
    india = until.astimezone(ZoneInfo("Asia/Kolkata"))
    assert (india.hour, india.minute, india.second) == (0, 0, 0)
    assert timezone.now() < until <= timezone.now() + timedelta(days=1)


def test_an_805_without_a_risk_is_not_explained(open_session: OpenSession) -> None:
    assert not open_session("one").explain_refusal(window_seconds=WINDOW)


def test_each_risk_explains_one_805(open_session: OpenSession) -> None:
    session = open_session("one")
    session.risk_slot(1, window_seconds=WINDOW)
    session.risk_slot(3, window_seconds=WINDOW)

    assert [session.explain_refusal(window_seconds=WINDOW) for _ in range(3)] == [True, True, False]


def test_a_risk_explains_nothing_after_its_window(open_session: OpenSession) -> None:
    session = open_session("one")
    session.risk_slot(1, window_seconds=WINDOW)
    FeedGate.objects.update(risked_at=timezone.now() - timedelta(seconds=WINDOW + 1))

    assert not session.explain_refusal(window_seconds=WINDOW)


def test_an_opening_is_no_risk_while_no_other_connection_is_live(open_session: OpenSession) -> None:
    session = open_session("one")

    assert session.risk_slot(2, window_seconds=WINDOW)

    assert not session.explain_refusal(window_seconds=WINDOW)


def test_no_connection_waits_for_its_slot_while_no_other_is_live(open_session: OpenSession) -> None:
    session = open_session("one")
    session.risk_slot(1, window_seconds=WINDOW)
    session.explain_refusal(window_seconds=WINDOW)

    assert session.is_slot_held(1)
    assert not session.is_slot_held(2)


def test_one_connection_of_the_account_is_replaced_for_bad_data_until_it_is_proven_good(
    open_session: OpenSession,
) -> None:
    one, other = open_session("one"), open_session("other")
    assert one.claim_replacement(1, seconds=300)
    assert not other.claim_replacement(2, seconds=300)

    one.end_replacement(1)

    assert other.claim_replacement(2, seconds=300)
    one.end_replacement(1)  # Not its own any more.
    assert not one.claim_replacement(1, seconds=300)


def test_a_claim_to_the_replacement_expires(open_session: OpenSession) -> None:
    session = open_session("one")
    assert session.claim_replacement(1, seconds=300)

    FeedGate.objects.update(replaced_until=timezone.now())

    assert session.claim_replacement(2, seconds=300)


def test_a_missing_row_is_created(open_session: OpenSession) -> None:
    session = open_session("one")
    FeedGate.objects.all().delete()
    assert session.risk_slot(1, window_seconds=WINDOW)
    assert session.explain_refusal(window_seconds=WINDOW)

    FeedGate.objects.all().delete()

    assert session.claim_replacement(1, seconds=300)
