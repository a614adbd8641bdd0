"""The loss and return of one connection of five with real workers, and restarts, which move nothing."""

import os
import signal
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from marketdata import quote_board
from subscriptions import selectors, services
from subscriptions.models import Claim, ClaimLeg, FeedConnection, FeedLease, Subscription
from tests.factories import NOW, make_user
from tests.integration.subscriptions.claim_factories import list_loads
from tests.integration.subscriptions.feed.feed_workers import (
    START_SECONDS,
    count_broker_sockets,
    list_reports,
    list_subscribed_keys,
    list_wanted_keys,
    make_subscriptions,
    running_worker,
    wait_until_streaming,
)
from tests.proxies import running_proxy
from tests.simulators import SimulatorAddress
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board", "settled_database")]

GRACE_SECONDS = 5


def placement() -> Mapping[int, int]:
    return dict(Subscription.objects.values_list("instrument_id", "connection_id"))


def list_not_sent_once() -> list[str]:
    """Return the wanted or sent keys that are not in exactly one sent set."""
    sent = [str(key) for keys in quote_board.connect().list_sent().values() for key in keys]
    return sorted({key for key in {*sent, *list_wanted_keys()} if sent.count(key) != 1})


def is_all_on(numbers: list[int], simulator: SimulatorAddress, *, count: int) -> bool:
    """Return whether the wanted set is sent exactly once and streams on these connections."""
    streaming = sum(one.streaming for one in list_reports() if one.connection in numbers)
    return streaming == count and list_subscribed_keys(simulator) == list_wanted_keys() and list_not_sent_once() == []


def wait_for_owners(count: int) -> None:
    wait_until(lambda: len(list_reports()) == count, seconds=START_SECONDS, message=f"{count} connections reported")


@pytest.mark.parametrize("end_signal", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_connection_moves_to_the_others_and_back_only_by_rebalance(
    simulator: SimulatorAddress, tmp_path: Path, end_signal: signal.Signals
) -> None:
    make_subscriptions(simulator, count=40)
    with running_worker(tmp_path, name="four", simulator=simulator, FEED_CONNECTIONS="4"):
        wait_for_owners(4)
        with running_worker(tmp_path, name="one", simulator=simulator, FEED_CONNECTIONS="1") as one:
            wait_until_streaming(40)
            os.kill(one.process.pid, end_signal)

            took = wait_until(lambda: list_loads()[4] == 0, seconds=15, message="all moved from connection 5")
            took += wait_until(
                lambda: sum(report.streaming for report in list_reports() if report.connection != 5) == 40,
                seconds=10,
                message="all stream on the other connections",
            )

            assert took > GRACE_SECONDS - 2
            assert list_loads() == [10, 10, 10, 10, 0]
            assert FeedConnection.objects.get(number=5).state == "failed_over"
            if end_signal is signal.SIGSTOP:
                os.kill(one.process.pid, signal.SIGCONT)
            else:
                one.process.wait(10)
                wait_until(lambda: is_all_on([1, 2, 3, 4], simulator, count=40), seconds=5, message="once each")
            return_and_rebalance(simulator, tmp_path, is_dead=end_signal is signal.SIGKILL)


def return_and_rebalance(simulator: SimulatorAddress, tmp_path: Path, *, is_dead: bool) -> None:
    before = placement()
    with running_worker(tmp_path, name="again", simulator=simulator, FEED_CONNECTIONS="1" if is_dead else "5"):
        wait_until(
            lambda: {report.connection for report in list_reports() if report.state == "live"} == {1, 2, 3, 4, 5},
            seconds=START_SECONDS,
            message="all five are live",
        )
        wait_until(lambda: is_all_on([1, 2, 3, 4, 5], simulator, count=40), seconds=10, message="once each")
        assert placement() == before

        done = services.rebalance(actor="operator1", now=timezone.now())

        assert (done.moves, done.after) == (8, {1: 8, 2: 8, 3: 8, 4: 8, 5: 8})
        wait_until(lambda: list_loads() == [8, 8, 8, 8, 8], seconds=15, message="the overlaps have ended")
        wait_until(
            lambda: [one.streaming for one in list_reports()] == [8, 8, 8, 8, 8], seconds=10, message="8 on each"
        )
        wait_until(lambda: is_all_on([1, 2, 3, 4, 5], simulator, count=40), seconds=5, message="once each again")
        assert count_broker_sockets(simulator) == 5


def test_a_refused_connection_is_lost_from_its_failed_attempt_on(simulator: SimulatorAddress, tmp_path: Path) -> None:
    make_subscriptions(simulator, count=40)
    port = int(simulator.feed_url.rsplit(":", 1)[1].split("/")[0])
    with (
        running_worker(tmp_path, name="four", simulator=simulator, FEED_CONNECTIONS="4"),
        running_proxy(port) as proxy,
    ):
        wait_for_owners(4)
        through = {"DHAN_FEED_URL": f"ws://127.0.0.1:{proxy.port}", "FEED_CONNECTIONS": "1"}
        with running_worker(tmp_path, name="one", simulator=simulator, **through):
            wait_until_streaming(40)
            proxy.cut()
            wait_until(
                lambda: FeedConnection.objects.get(number=5).lost_since is not None,
                seconds=8,
                message="its attempt failed",
            )
            assert list_loads() == [8, 8, 8, 8, 8]

            took = wait_until(lambda: list_loads() == [10, 10, 10, 10, 0], seconds=15, message="all moved")

            assert took > GRACE_SECONDS - 1
            assert [one.state for one in selectors.list_reported_connections()] == ["live"] * 4 + ["failed_over"]
            wait_until(lambda: is_all_on([1, 2, 3, 4], simulator, count=40), seconds=5, message="once each")
            proxy.restore()
            wait_until(
                lambda: [one.state for one in list_reports()] == ["live"] * 5,
                seconds=40,
                message="connection 5 is back",
            )
            wait_until(
                lambda: FeedConnection.objects.get(number=5).lost_since is None,
                seconds=5,
                message="it is not lost any more",
            )
            assert list_loads() == [10, 10, 10, 10, 0]


def test_the_move_of_a_silent_instrument_ends_after_a_timeout(simulator: SimulatorAddress, tmp_path: Path) -> None:
    rows = make_subscriptions(simulator, count=10)
    unlisted = rows[0].instrument
    unlisted.security_id = 999_999_999  # The broker does not list it and sends no packet for it.
    unlisted.save()
    with running_worker(tmp_path, name="feed", simulator=simulator):
        wait_until(
            lambda: sum(one.streaming for one in list_reports()) == 9,
            seconds=START_SECONDS,
            message="nine of ten stream",
        )

        Subscription.objects.filter(instrument=unlisted).update(connection=2, leaving_connection=1)
        quote_board.connect().nudge()

        took = wait_until(lambda: list_loads() == [1, 3, 2, 2, 2], seconds=20, message="it has left connection 1")
        assert took > 8


def test_a_subscription_without_a_claim_is_repaired_on_the_wire(simulator: SimulatorAddress, tmp_path: Path) -> None:
    rows = make_subscriptions(simulator, count=20)
    user = make_user("trader1").pk
    claims = Claim.objects.bulk_create(
        [
            Claim(
                kind="watchlist", tier="A", user_id=user, instrument=row.instrument, last_viewed_at=NOW, claimed_at=NOW
            )
            for row in rows
        ]
    )
    ClaimLeg.objects.bulk_create(
        [ClaimLeg(claim=claim, subscription=row) for claim, row in zip(claims, rows, strict=True)]
    )
    with running_worker(tmp_path, name="feed", simulator=simulator):
        wait_until_streaming(20)
        ClaimLeg.objects.filter(claim=claims[0]).delete()
        claims[0].delete()
        output = StringIO()

        call_command("check_subscriptions", repair=True, wait=20.0, stdout=output)

        token = rows[0].instrument.token
        assert output.getvalue().splitlines() == [
            f"{token} is subscribed, but no claim holds it (repaired)",
            "1 repaired, 0 left",
        ]
        assert list_subscribed_keys(simulator) == list_wanted_keys()
        assert len(list_wanted_keys()) == 19


@pytest.mark.parametrize("grace", ["1", "60"])
def test_a_restart_of_the_whole_feed_moves_nothing(simulator: SimulatorAddress, tmp_path: Path, grace: str) -> None:
    make_subscriptions(simulator, count=40)
    before = placement()
    with running_worker(tmp_path, name="first", simulator=simulator, FAILOVER_GRACE_S=grace) as first:
        wait_until_streaming(40)
        first.kill()
    epochs = dict(FeedLease.objects.values_list("connection_id", "epoch"))

    with running_worker(tmp_path, name="second", simulator=simulator, FAILOVER_GRACE_S=grace):
        wait_until(
            lambda: all(one.epoch == epochs[one.connection] + 1 for one in list_reports()) and len(list_reports()) == 5,
            seconds=START_SECONDS,
            message="five new owners",
        )
        wait_until_streaming(40, seconds=20)

        assert placement() == before
        assert list_subscribed_keys(simulator) == list_wanted_keys()
