"""The broker never sees a sixth socket: 10,000 random faults on a model of the feed, with the real keeper."""

import random
from functools import cache

import pytest

from subscriptions.domain.ownership import ACTIONS, Action, LeaseState, LockState, ProcessStatus
from tests.faults.feed_model import World
from tests.faults.model_server import CONNECTIONS, Clock

FAULTS = 10_000
WORLDS = 50
WORLDS_WITH_EVERY_RULE = 12


@cache
def run_world(seed: int) -> World:
    """Run one world with faults, once for all tests; the number of sockets is checked after each fault."""
    chance, clock = random.Random(seed), Clock()
    world = World(chance, clock, may_be_silent=seed % 2 == 0, together=seed % 4 < 2)
    clock.run(5)
    assert len(world.broker.sockets) == CONNECTIONS

    for _ in range(FAULTS // WORLDS):
        if world.running:
            world.strike()
        clock.run(chance.choice((0.05, 0.5, 2, 5, 20, 60)) * chance.random())
        assert world.broker.high_water <= CONNECTIONS, "\n".join(world.broker.log)
    return world


@pytest.mark.parametrize("seed", range(WORLDS))
def test_never_six_sockets_over_random_faults(seed: int) -> None:
    world = run_world(seed)

    # After the faults all sockets open again; so the limit was not met by too few sockets.
    world.clock.run(200)
    assert len(world.broker.sockets) == CONNECTIONS, "\n".join(world.broker.log)
    assert world.server.takeovers > 0


def test_the_worlds_use_every_rule_that_opens_a_socket_or_ends_a_session() -> None:
    followed = {rule for seed in range(WORLDS_WITH_EVERY_RULE) for rule in run_world(seed).server.used}

    acting = {rule for rule, action in ACTIONS.items() if action in {Action.TAKE_OVER, Action.END_SESSION}}
    # A vacant lease names no process, which counts as gone; a process that is gone owns no lock.
    impossible = {rule for rule in acting if rule[1] is LeaseState.VACANT and rule[2] is not ProcessStatus.GONE}
    impossible.add((LockState.TAKEN, LeaseState.SILENT, ProcessStatus.GONE))
    assert followed == acting - impossible
