"""Placement: the connection that each instrument goes to, by water-filling over the loads.

Water-filling: picture each connection as a vessel that is filled up to its load. New instruments are water poured in:
it always rises in the emptiest vessel, so the loads end as level as their capacities permit. Used for instruments that
start to stream, for those of a lost connection, and as the target of a rebalance. This module decides counts; which
instrument takes which slot makes no difference to the broker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLoad:
    """Load and capacity of one connection; `load` never exceeds `capacity`."""

    number: int
    load: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Filling:
    """The number of instruments for each connection, in the order given, and the number that fit on none."""

    counts: tuple[int, ...]
    left_out: int


def fill(count: int, connections: Sequence[ConnectionLoad]) -> Filling:
    """Return where `count` instruments go, each to the smallest load at its turn; ties go to the lowest number.

    `connections` ascend by number.
    """
    placed = min(count, sum(one.capacity - one.load for one in connections))
    # Closed form instead of one instrument at a time: 1. find the highest level that `placed` instruments can fill
    # everywhere; 2. fill to it; 3. the rest is less than one layer, so it goes one each to the lowest numbers among the
    # connections that stand at the level and are not full.
    level = _level(placed, connections)
    counts = [_depth(one, level) for one in connections]
    rest = placed - sum(counts)
    for position, one in enumerate(connections):
        # A connection whose load was above the level already is fuller than the others: it gets none of the rest.
        if rest and one.load <= level < one.capacity:
            counts[position] += 1
            rest -= 1
    return Filling(tuple(counts), count - placed)


def _depth(one: ConnectionLoad, level: int) -> int:
    return max(0, min(level, one.capacity) - one.load)


def _level(count: int, connections: Sequence[ConnectionLoad]) -> int:
    """Return the highest level, at most the highest capacity, to which `count` instruments fill all connections."""
    # The instruments needed grow with the level, so a binary search over the levels finds it in 13 steps for 5,000.
    low, high = 0, max((one.capacity for one in connections), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(_depth(one, middle) for one in connections) <= count:
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(frozen=True, slots=True)
class Failover:
    """The new connection of each leg of a lost one, and the legs that stay there because none has room."""

    moves: Mapping[int, Sequence[int]]
    waiting: Sequence[int]


def plan_failover(legs: Sequence[int], others: Sequence[ConnectionLoad]) -> Failover:
    """Return where the legs of a lost connection go: they fill the others as new ones do, in the order given.

    `legs` are ordered by importance: if they do not all fit, the first ones do.
    """
    filling = fill(len(legs), others)
    moves: dict[int, Sequence[int]] = {}
    first = 0
    for one, count in zip(others, filling.counts, strict=True):
        if count:
            moves[one.number] = legs[first : first + count]
        first += count
    return Failover(moves, legs[first:])


@dataclass(frozen=True, slots=True)
class Shift:
    """A move of `count` instruments from one connection to another."""

    source: int
    target: int
    count: int


def plan_rebalance(connections: Sequence[ConnectionLoad]) -> Sequence[Shift]:
    """Return the fewest moves after which no two loads differ by more than one, capacities permitting.

    No move exceeds a capacity at any step, and no instrument moves twice.
    """
    # The target loads are those of pouring everything into empty connections. If they do not come out even, `fill`
    # gives the extra ones to the first: the fullest, which then have one instrument less to give away.
    fullest_first = sorted(connections, key=lambda one: (-one.load, one.number))
    empty = [ConnectionLoad(one.number, 0, one.capacity) for one in fullest_first]
    targets = fill(sum(one.load for one in connections), empty).counts
    surplus = {one.number: one.load - target for one, target in zip(fullest_first, targets, strict=True)}
    # Connections above their target only give and those below only take. So the moves are as many as the surplus, which
    # is the minimum, and no connection ever rises above its target.
    shifts: list[Shift] = []
    for target in sorted(surplus):
        for source in sorted(surplus):
            count = min(surplus[source], -surplus[target])
            if count > 0:
                shifts.append(Shift(source, target, count))
                surplus[source] -= count
                surplus[target] += count
    return shifts
