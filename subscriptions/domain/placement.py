"""Which connection new instruments go to: water-filling over the loads of the connections.

Decides counts only; which instrument takes which place does not matter to the broker. What already stands
is never moved here.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """One connection as placement sees it; `load` never exceeds `capacity`."""

    number: int
    load: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Filling:
    """How many instruments each room takes, in the order of the rooms, and how many found none."""

    counts: tuple[int, ...]
    left_out: int


def fill(count: int, rooms: Sequence[Room]) -> Filling:
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


def _depth(room: Room, level: int) -> int:
    return max(0, min(level, room.capacity) - room.load)


def _level(count: int, rooms: Sequence[Room]) -> int:
    """Return the highest level, at most the highest capacity, to which `count` instruments fill all rooms."""
    low, high = 0, max((room.capacity for room in rooms), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(_depth(room, middle) for room in rooms) <= count:
            low = middle
        else:
            high = middle - 1
    return low
