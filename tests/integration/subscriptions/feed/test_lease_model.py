"""The model of leases and locks against the statements themselves: the same acts in any order, the same answers."""

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
FROZEN_SECONDS = 4.0  # A server that has just started cannot know of longer silences.


class Twins:
    """Sessions of both kinds, one owner each; leases age on both sides at once."""

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

    def do(self, owner: str, act: str, *values: object, **named: object) -> object:
        """Let both do it, and return their answer, which is one."""
        real, model = (getattr(session, act)(*values, **named) for session in self.sessions[owner])
        assert real == model, act
        return real

    def list_unowned(self, owner: str, held: frozenset[Lease]) -> object:
        """Let both look. When their servers started is not compared: leases are aged here, and no server is."""
        real, model = (
            [
                (one.lease, one.lease.is_inherited, one.owner, one.state is LeaseState.SILENT)
                for one in session.list_unowned(held, frozen_seconds=FROZEN_SECONDS)
            ]
            for session in self.sessions[owner]
        )
        assert real == model
        return real

    def see(self, number: int) -> Lease:
        """Return a connection's lease as it stands."""
        return Lease(number, self.server.rows[number].epoch)

    def end_frozen(self, owner: str, number: int) -> bool:
        """End a session as another owner does; the server's end of it takes a moment."""
        if self.server.rows[number].owner == owner:
            return False
        frozen = self.do(owner, "end_frozen", self.see(number), after_seconds=FROZEN_SECONDS)
        if not isinstance(frozen, str):
            return False
        wait_until(lambda: not is_there(frozen), seconds=5, message="the session is over")
        self.sessions[frozen][0].close()
        self.open(frozen)
        return True

    def age(self, seconds: float) -> bool:
        self.server.clock.run(seconds)
        FeedLease.objects.filter(expires_at__isnull=False).update(
            expires_at=F("expires_at") - timedelta(seconds=seconds)
        )
        return True


def is_there(owner: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [f"lease {owner}"])
        return bool(cursor.fetchone()[0])


@pytest.fixture
def twins() -> Iterator[Twins]:
    both = Twins()
    yield both
    both.close()


@pytest.mark.parametrize("seed", range(4))
def test_the_model_answers_as_the_database_does(seed: int, twins: Twins) -> None:
    chance = random.Random(seed)
    held: dict[int, Lease] = {}
    answers: set[tuple[str, bool]] = set()

    for _ in range(STEPS):
        owner, number = chance.choice(OWNERS), chance.choice((1, 2))
        act = chance.choice(("take", "take", "renew", "release", "lock", "unlock", "list_unheld", "end_frozen", "age"))
        match act:
            case "take":
                answer = twins.do(owner, act, twins.see(number))
                held |= {number: answer} if isinstance(answer, Lease) else {}
            case "renew":
                answer = twins.do(owner, act, frozenset(held.values()))
            case "list_unheld":
                answer = twins.list_unowned(owner, frozenset(held.values()))
            case "release":
                answer = twins.do(owner, act, held.get(number, Lease(number, 0)))
            case "lock" | "unlock":
                answer = twins.do(owner, act, number)
            case "end_frozen":
                answer = twins.end_frozen(owner, number)
            case _:
                answer = twins.age(chance.choice((5.0, 10.0, 30.0, 60.0)))
        answers.add((act, bool(answer)))

    # Both answers were given, or it proves little.
    assert answers >= {(act, is_so) for act in ("take", "renew", "lock") for is_so in (True, False)}
