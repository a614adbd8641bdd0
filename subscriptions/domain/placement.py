"""Which connection instruments go to: water-filling over the loads of the connections.

New ones, those of a connection that is lost, and the fewest that must move for all to carry alike. Decides counts;
which instrument takes which place does not matter to the broker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLoad:
    """One connection as placement sees it; `load` never exceeds `capacity`."""

    number: int
    load: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Filling:
    """How many instruments each room takes, in the order of the rooms, and how many found none."""

    counts: tuple[int, ...]
    left_out: int


def fill(count: int, rooms: Sequence[ConnectionLoad]) -> Filling:
    """Return where `count` instruments go, each to the room with the smallest load; ties to the lowest number.

    `rooms` ascend by number. In closed form: find the highest water level that `count` reaches everywhere,
    then what remains goes one each to the rooms that stand at that level and are not full.
    """
    placed = min(count, sum(room.capacity - room.load for room in rooms))
    level = _level(placed, rooms)
    counts = [_depth(room, level) for room in rooms]
    rest = placed - sum(counts)
    for position, room in enumerate(rooms):
        if rest and room.load <= level < room.capacity:
            counts[position] += 1
            rest -= 1
    return Filling(tuple(counts), count - placed)


def _depth(room: ConnectionLoad, level: int) -> int:
    return max(0, min(level, room.capacity) - room.load)


def _level(count: int, rooms: Sequence[ConnectionLoad]) -> int:
    """Return the highest level, at most the highest capacity, to which `count` instruments fill all rooms."""
    low, high = 0, max((room.capacity for room in rooms), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(_depth(room, middle) for room in rooms) <= count:
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(frozen=True, slots=True)
class Failover:
    """Which legs of a lost connection go to which other one, and which wait where they are for want of room."""

    moves: Mapping[int, Sequence[int]]
    waiting: Sequence[int]


def plan_failover(legs: Sequence[int], rooms: Sequence[ConnectionLoad]) -> Failover:
    """Return where the legs of a lost connection go; `legs` are its, the most important first, `rooms` the others.

    They fill the rooms like new legs do. Where not all of them fit, the first of them do.
    """
    filling = fill(len(legs), rooms)
    moves: dict[int, Sequence[int]] = {}
    first = 0
    for room, count in zip(rooms, filling.counts, strict=True):
        if count:
            moves[room.number] = legs[first : first + count]
        first += count
    return Failover(moves, legs[first:])


@dataclass(frozen=True, slots=True)
class Shift:
    """So many instruments go from one connection to another."""

    source: int
    target: int
    count: int


def plan_rebalance(rooms: Sequence[ConnectionLoad]) -> Sequence[Shift]:
    """Return the fewest moves after which no two loads differ by more than one, capacities permitting.

    The level is that of as many instruments poured into empty rooms; where it does not come out even, those that
    are the fullest keep one more. A room above its level only gives and one below only takes, so that nothing is
    over capacity at any step and no instrument moves twice.
    """
    fullest_first = sorted(rooms, key=lambda room: (-room.load, room.number))
    empty = [ConnectionLoad(room.number, 0, room.capacity) for room in fullest_first]
    levels = fill(sum(room.load for room in rooms), empty).counts
    surplus = {room.number: room.load - level for room, level in zip(fullest_first, levels, strict=True)}
    shifts: list[Shift] = []
    for target in sorted(surplus):
        for source in sorted(surplus):
            count = min(surplus[source], -surplus[target])
            if count > 0:
                shifts.append(Shift(source, target, count))
                surplus[source] -= count
                surplus[target] += count
    return shifts
