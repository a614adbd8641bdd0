"""The broker never sees a sixth socket: 10,000 random faults on a model of the feed that decides as the feed does."""

import random

import pytest

from subscriptions.feed.ownership import keeper
from tests.faults.feed_model import World
from tests.faults.model_server import CONNECTIONS, Clock, ModelSession

FAULTS = 10_000
WORLDS = 50


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give ownership a clock that jumps and a server that is modelled."""
    one = Clock()
    monkeypatch.setattr(keeper, "time", one)
    monkeypatch.setattr(keeper, "LeaseStatements", ModelSession)
    return one


@pytest.mark.parametrize("seed", range(WORLDS))
def test_never_six_sockets_over_random_faults(seed: int, clock: Clock) -> None:
    chance = random.Random(seed)
    world = World(chance, clock, may_be_silent=seed % 2 == 0, together=seed % 4 < 2)
    clock.run(5)
    assert len(world.broker.sockets) == CONNECTIONS

    for _ in range(FAULTS // WORLDS):
        if world.running:
            world.strike()
        clock.run(chance.choice((0.05, 0.5, 2, 5, 20, 60)) * chance.random())
        assert world.broker.high_water <= CONNECTIONS, "\n".join(world.broker.story)

    # Not because nothing was open: once the faults are over, everything is.
    clock.run(200)
    assert len(world.broker.sockets) == CONNECTIONS, "\n".join(world.broker.story)
    assert world.server.takeovers > 0
