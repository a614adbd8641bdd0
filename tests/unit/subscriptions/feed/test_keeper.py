"""The lease keeper with a simulated clock and a model server: the times at which leases count as confirmed."""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest

from subscriptions.domain.ownership import ProcessStatus
from subscriptions.feed.ownership.keeper import LONGEST_UNSURE_SECONDS, LeaseKeeper
from subscriptions.feed.ownership.statements import TTL_SECONDS, Lease, LeaseStatements
from tests.faults.model_server import Clock, ModelServer, ModelSession
from tests.waiting import wait_until


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> ModelServer:
    return ModelServer(clock)


@pytest.fixture
def owned() -> list[frozenset[Lease]]:
    """Return the list to which the keeper appends each reported set of leases."""
    return []


@pytest.fixture
def keeper(clock: Clock, server: ModelServer, owned: list[frozenset[Lease]]) -> Iterator[LeaseKeeper]:
    one = LeaseKeeper(
        {"server": server},
        owner="keeper",
        limit=2,
        on_change=owned.append,
        process_status=lambda _name: ProcessStatus.ELSEWHERE,
        connect=cast("Callable[[Mapping[str, Any], str], LeaseStatements]", ModelSession),
        clock=lambda: clock.now,
    )
    thread = threading.Thread(target=one.run)
    thread.start()
    yield one
    one.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_an_unreachable_database_confirms_leases_but_not_after_a_freeze(
    keeper: LeaseKeeper, clock: Clock, server: ModelServer, owned: list[frozenset[Lease]]
) -> None:
    wait_until(lambda: len(owned) == 2, message="two connections are owned")
    server.stop()
    clock.now += TTL_SECONDS + 1
    wait_until(
        keeper.is_confirmed, message="a failed attempt confirms the leases: no other worker can take over either"
    )

    clock.now += LONGEST_UNSURE_SECONDS + 1
    renewed_at = keeper.renewed_at()
    assert not keeper.is_confirmed()
    for _ in range(3):  # Attempts of the keeper's thread; each follows a failed one.
        keeper.try_gate().result(timeout=5)
    assert not keeper.is_confirmed()

    server.start()
    wait_until(keeper.is_confirmed, message="a renewal confirms the leases")
    assert keeper.renewed_at() > renewed_at
    assert owned[-1] == frozenset({Lease(1, 1), Lease(2, 1)})


def test_an_outage_of_a_day_leaves_the_keeper_running(server: ModelServer) -> None:
    attempts = itertools.count(1)
    tried = 0

    def connect(parameters: Mapping[str, Any], owner: str) -> ModelSession:
        nonlocal tried
        tried = next(attempts)
        return ModelSession(parameters, owner)

    seconds = itertools.count()
    owned: list[frozenset[Lease]] = []
    server.stop()
    keeper = LeaseKeeper(
        {"server": server},
        owner="keeper",
        limit=2,
        on_change=owned.append,
        connect=cast("Callable[[Mapping[str, Any], str], LeaseStatements]", connect),
        clock=lambda: float(next(seconds)),  # no beat waits
    )
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        wait_until(lambda: tried > 1_100, message="more attempts than a float has doublings")
        server.start()
        wait_until(lambda: bool(owned), message="leases after the outage")
    finally:
        keeper.stop()
        thread.join(10)
