"""Helpers for faults of a connection: the owners' reports, an open or closed market, a new token."""

from collections.abc import Mapping, Set
from datetime import datetime, time
from zoneinfo import ZoneInfo

from django.utils import timezone

from marketdata import services
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.sessions import SessionKind
from marketdata.models import MarketSession
from subscriptions.models import FeedLease
from tests.integration.subscriptions.feed.feed_workers import (
    count_opened_sockets,
    list_reports,
    list_subscribed_keys,
    list_wanted_keys,
)
from tests.simulators import SimulatorAddress
from tests.waiting import wait_until

IST = ZoneInfo("Asia/Kolkata")


def open_all_day() -> None:
    """Replace today's sessions by one from midnight to midnight."""
    _replace_today(SessionKind.SPECIAL, opens=time.min, closes=time.max)


def close_all_day() -> None:
    """Replace today's sessions by a holiday."""
    _replace_today(SessionKind.HOLIDAY, opens=None, closes=None)


def _replace_today(kind: SessionKind, *, opens: time | None, closes: time | None) -> None:
    today = datetime.now(IST).date()
    MarketSession.objects.filter(day=today).delete()
    MarketSession.objects.create(
        exchange_segment=ExchangeSegment.NSE_FNO, day=today, kind=kind, opens=opens, closes=closes, source="test"
    )


def states() -> list[str]:
    """Return the states of the connections in order of their numbers, as their owners report them."""
    return [one.state for one in list_reports()]


def errors() -> set[str]:
    """Return the last errors that the owners report."""
    return {one.last_error for one in list_reports()}


def count_disconnects(cause: str) -> int:
    """Return the number of lost or refused sockets with that cause, over all connections."""
    return sum(one.statistics.reconnects.get(cause, 0) for one in list_reports())


def wait_for_states(state: str) -> None:
    """Wait until all five connections are in one state."""
    wait_until(lambda: states() == [state] * 5, seconds=5, message=f"five connections are {state}")


def wait_for_disconnects(cause: str, count: int) -> None:
    """Wait until `count` sockets were lost for that cause."""
    wait_until(
        lambda: count_disconnects(cause) == count, seconds=5, message=f"{count} disconnects are caused by {cause}"
    )


def list_sockets(simulator: SimulatorAddress) -> Set[int]:
    """Return the numbers of the sockets that are open at the broker; each socket has a number of its own."""
    return {one["number"] for one in simulator.connections()["connections"]}


def is_all_carried(simulator: SimulatorAddress) -> bool:
    """Return whether the broker streams every wanted instrument, on whichever socket."""
    return list_subscribed_keys(simulator) == list_wanted_keys()


def epochs() -> Mapping[int, int]:
    """Return the epoch of each connection."""
    return dict(FeedLease.objects.values_list("connection_id", "epoch"))


def wait_for_silence(seconds: float) -> None:
    """Wait until every owner reports that its last packet is older than `seconds`."""
    wait_until(
        lambda: (
            len(list_reports()) == 5
            and all(one.reported_at_ms - (one.last_packet_at_ms or 0) > seconds * 1_000 for one in list_reports())
        ),
        seconds=seconds + 10,
        message=f"no packet has arrived for {seconds} s",
    )


def wait_without_opening(simulator: SimulatorAddress, *, seconds: float) -> None:
    """Wait for `seconds`; fail if the broker counts a new socket in that time."""
    before, until = count_opened_sockets(simulator), timezone.now().timestamp() + seconds

    def is_over() -> bool:
        assert count_opened_sockets(simulator) == before, "a socket was opened although none may be"
        return timezone.now().timestamp() > until

    wait_until(is_over, seconds=seconds + 5, message="the time has passed")


def store_new_token(simulator: SimulatorAddress) -> None:
    """Generate a token at the broker, which invalidates the previous one, and store it as staff would."""
    services.store_token(
        client_id=simulator.client_id, access_token=simulator.new_token(), stored_by="operator1", now=timezone.now()
    )
