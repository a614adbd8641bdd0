"""Water-filling: always to the emptiest, ties to the lowest number, never over capacity."""

from hypothesis import given
from hypothesis.strategies import SearchStrategy, builds, integers, lists, tuples

from subscriptions.domain.placement import Failover, Filling, Room, Shift, fill, plan_failover, plan_rebalance


def rooms_of(*loads: int, capacity: int = 5_000) -> list[Room]:
    return [Room(number, load, capacity) for number, load in enumerate(loads, start=1)]


def rooms() -> SearchStrategy[list[Room]]:
    """Draw up to five rooms of differing capacity, some full, some without any capacity."""
    sizes = lists(tuples(integers(0, 60), integers(0, 60)), min_size=0, max_size=5)
    return builds(
        lambda pairs: [Room(number, min(pair), max(pair)) for number, pair in enumerate(pairs, start=1)], sizes
    )


def filled_one_by_one(count: int, rooms: list[Room]) -> Filling:
    """Place like the definition says, one instrument at a time."""
    loads = [room.load for room in rooms]
    for placed in range(count):
        open_rooms = [position for position, room in enumerate(rooms) if loads[position] < room.capacity]
        if not open_rooms:
            return Filling(tuple(load - room.load for load, room in zip(loads, rooms, strict=True)), count - placed)
        loads[min(open_rooms, key=lambda position: (loads[position], position))] += 1
    return Filling(tuple(load - room.load for load, room in zip(loads, rooms, strict=True)), 0)


def test_the_lean_profile_into_empty_connections_differs_by_one_at_most() -> None:
    assert fill(2_272, rooms_of(0, 0, 0, 0, 0)) == Filling((455, 455, 454, 454, 454), 0)


def test_new_instruments_go_to_the_emptiest_connection() -> None:
    assert fill(50, rooms_of(100, 40, 100, 100, 100)) == Filling((0, 50, 0, 0, 0), 0)


def test_a_hollow_is_levelled_before_the_rest_rises() -> None:
    assert fill(7, rooms_of(3, 0, 2, 9, 9)) == Filling((1, 4, 2, 0, 0), 0)


def test_what_finds_no_room_is_left_out_and_counted() -> None:
    assert fill(25, rooms_of(4_990, 5_000, 5_000, 5_000, 4_995)) == Filling((10, 0, 0, 0, 5), 10)


def test_a_smaller_connection_is_filled_to_its_own_capacity() -> None:
    assert fill(10, [Room(1, 0, 2), Room(2, 0, 5_000)]) == Filling((2, 8), 0)


def test_nothing_to_place_places_nothing() -> None:
    assert fill(0, rooms_of(5, 0, 5, 5, 5)) == Filling((0, 0, 0, 0, 0), 0)


def test_without_connections_everything_is_left_out() -> None:
    assert fill(3, []) == Filling((), 3)


@given(rooms=rooms(), count=integers(0, 320))
def test_the_closed_form_is_what_placing_one_by_one_gives(rooms: list[Room], count: int) -> None:
    assert fill(count, rooms) == filled_one_by_one(count, rooms)


@given(loads=lists(integers(0, 5_000), min_size=5, max_size=5), count=integers(0, 25_000))
def test_water_filling_never_overfills_and_levels_what_it_can(loads: list[int], count: int) -> None:
    filling = fill(count, rooms_of(*loads))

    after = [load + added for load, added in zip(loads, filling.counts, strict=True)]
    assert max(after) <= 5_000
    assert min(filling.counts) >= 0
    assert filling.left_out == max(0, count - (25_000 - sum(loads)))
    assert sum(filling.counts) + filling.left_out == count
    touched = [level for level, added in zip(after, filling.counts, strict=True) if added]
    assert not touched or max(touched) - min(after) <= 1


def test_legs_of_a_lost_connection_fill_the_others_the_most_important_first() -> None:
    plan = plan_failover([11, 12, 13, 14, 15, 16], [Room(1, 3, 5), Room(2, 4, 5), Room(5, 3, 5)])

    assert plan == Failover({1: [11, 12], 2: [13], 5: [14, 15]}, [16])


def test_a_connection_that_came_back_empty_gets_its_fifth_from_each() -> None:
    assert plan_rebalance(rooms_of(25, 25, 0, 25, 25)) == [
        Shift(1, 3, 5),
        Shift(2, 3, 5),
        Shift(4, 3, 5),
        Shift(5, 3, 5),
    ]


def test_what_differs_by_one_is_level_wherever_the_one_is() -> None:
    assert plan_rebalance(rooms_of(4, 5, 4, 5, 5)) == []


def test_the_one_too_many_stays_where_most_are() -> None:
    assert plan_rebalance(rooms_of(0, 9)) == [Shift(2, 1, 4)]


@given(rooms=rooms(), legs=lists(integers(), max_size=320, unique=True))
def test_every_leg_moves_once_or_waits_and_nothing_is_over_capacity(rooms: list[Room], legs: list[int]) -> None:
    plan = plan_failover(legs, rooms)

    moved = [leg for number in sorted(plan.moves) for leg in plan.moves[number]]
    assert [*moved, *plan.waiting] == legs
    capacity = {room.number: room.capacity - room.load for room in rooms}
    assert all(0 < len(going) <= capacity[number] for number, going in plan.moves.items())
    assert len(moved) == min(len(legs), sum(capacity.values()))


@given(rooms=rooms())
def test_rebalancing_levels_within_one_and_never_exceeds_a_capacity(rooms: list[Room]) -> None:
    capacity = {room.number: room.capacity for room in rooms}
    loads = {room.number: room.load for room in rooms}

    for shift in plan_rebalance(rooms):
        for _ in range(shift.count):
            loads[shift.source] -= 1
            loads[shift.target] += 1
            assert loads[shift.target] <= capacity[shift.target]

    highest = max(loads.values(), default=0)
    assert all(highest - load <= 1 or load == capacity[number] for number, load in loads.items())


@given(rooms=rooms())
def test_rebalancing_moves_no_more_than_what_is_above_the_level(rooms: list[Room]) -> None:
    shifts = plan_rebalance(rooms)

    after = {room.number: room.load for room in rooms}
    for shift in shifts:
        after[shift.source] -= shift.count
        after[shift.target] += shift.count
    moves = sum(shift.count for shift in shifts)
    assert moves == sum(max(0, room.load - after[room.number]) for room in rooms)
    assert {shift.source for shift in shifts}.isdisjoint({shift.target for shift in shifts})
    assert moves == _fewest_moves(rooms)


def _fewest_moves(rooms: list[Room]) -> int:
    """Move one instrument after another from the fullest to the emptiest with room, while that levels anything."""
    loads = {room.number: room.load for room in rooms}
    capacity = {room.number: room.capacity for room in rooms}
    moves = 0
    while True:
        takers = [number for number, load in loads.items() if load < capacity[number]]
        if not takers:
            return moves
        source, target = max(loads, key=lambda one: loads[one]), min(takers, key=lambda one: loads[one])
        if loads[source] - loads[target] <= 1:
            return moves
        loads[source] -= 1
        loads[target] += 1
        moves += 1
