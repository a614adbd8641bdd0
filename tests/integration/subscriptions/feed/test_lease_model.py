"""The model of leases and locks compared with the real statements: equal results for any order of operations."""

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.db.models import F

from subscriptions.domain.ownership import LeaseState
from subscriptions.feed.ownership.statements import Lease, LeaseStatements, connection_parameters
from subscriptions.models import FeedLease
from tests.faults.model_server import Clock, ModelServer, ModelSession
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("settled_database")]

STEPS = 150
OWNERS = ("first", "second", "third")
FROZEN_SECONDS = 4.0  # A server that has just started cannot measure a longer silence.


class Twins:
    """Real and model sessions, one pair per owner; leases age on both sides together."""

    def __init__(self) -> None:
        self.server = ModelServer(Clock())
        self.sessions: dict[str, tuple[LeaseStatements, ModelSession]] = {}
        for owner in OWNERS:
            self.open(owner)

    def open(self, owner: str) -> None:
        parameters = connection_parameters(connections["default"].settings_dict)
        self.sessions[owner] = LeaseStatements(parameters, owner), ModelSession({"server": self.server}, owner)

    def close(self) -> None:
        for real, model in self.sessions.values():
            real.close()
            model.close()

    def run(self, owner: str, operation: str, *values: object, **named: object) -> object:
        """Run the operation on both sides, assert equal results, and return the result."""
        real, model = (getattr(session, operation)(*values, **named) for session in self.sessions[owner])
        assert real == model, operation
        return real

    def list_unowned(self, owner: str, held: frozenset[Lease]) -> object:
        """List the unowned leases on both sides; server start times are not compared, because only leases are aged."""
        real, model = (
            [
                (one.lease, one.lease.is_inherited, one.owner, one.state is LeaseState.SILENT)
                for one in session.list_unowned(held, frozen_seconds=FROZEN_SECONDS)
            ]
            for session in self.sessions[owner]
        )
        assert real == model
        return real

    def read_lease(self, number: int) -> Lease:
        """Return the present lease of a connection."""
        return Lease(number, self.server.rows[number].epoch)

    def end_frozen(self, owner: str, number: int) -> bool:
        """End the session of a frozen owner and wait until the server has closed it."""
        if self.server.rows[number].owner == owner:
            return False
        frozen = self.run(owner, "end_frozen", self.read_lease(number), after_seconds=FROZEN_SECONDS)
        if not isinstance(frozen, str):
            return False
        wait_until(lambda: not has_session(frozen), seconds=5, message="the session is over")
        self.sessions[frozen][0].close()
        self.open(frozen)
        return True

    def age(self, seconds: float) -> bool:
        self.server.clock.run(seconds)
        FeedLease.objects.filter(expires_at__isnull=False).update(
            expires_at=F("expires_at") - timedelta(seconds=seconds)
        )
        return True


def has_session(owner: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [f"lease {owner}"])
        return bool(cursor.fetchone()[0])


@pytest.fixture
def twins() -> Iterator[Twins]:
    both = Twins()
    yield both
    both.close()


@pytest.mark.parametrize("seed", range(4))
def test_the_model_returns_the_same_results_as_the_database(seed: int, twins: Twins) -> None:
    chance = random.Random(seed)
    held: dict[int, Lease] = {}
    answers: set[tuple[str, bool]] = set()

    for _ in range(STEPS):
        owner, number = chance.choice(OWNERS), chance.choice((1, 2))
        operation = chance.choice(
            ("take", "take", "renew", "release", "lock", "unlock", "list_unheld", "end_frozen", "age")
        )
        match operation:
            case "take":
                answer = twins.run(owner, operation, twins.read_lease(number))
                held |= {number: answer} if isinstance(answer, Lease) else {}
            case "renew":
                answer = twins.run(owner, operation, frozenset(held.values()))
            case "list_unheld":
                answer = twins.list_unowned(owner, frozenset(held.values()))
            case "release":
                answer = twins.run(owner, operation, held.get(number, Lease(number, 0)))
            case "lock" | "unlock":
                answer = twins.run(owner, operation, number)
            case "end_frozen":
                answer = twins.end_frozen(owner, number)
            case _:
                answer = twins.age(chance.choice((5.0, 10.0, 30.0, 60.0)))
        answers.add((operation, bool(answer)))

    # Each operation succeeded and failed at least once; otherwise the comparison proves little.
    assert answers >= {(operation, is_so) for operation in ("take", "renew", "lock") for is_so in (True, False)}
