"""Water-filling: the emptiest connection first, ties to the lowest number, never above capacity."""

from hypothesis import given
from hypothesis.strategies import SearchStrategy, builds, integers, lists, tuples

from subscriptions.domain.placement import ConnectionLoad, Failover, Filling, Shift, fill, plan_failover, plan_rebalance


def loads_of(*loads: int, capacity: int = 5_000) -> list[ConnectionLoad]:
    return [ConnectionLoad(number, load, capacity) for number, load in enumerate(loads, start=1)]


def connections() -> SearchStrategy[list[ConnectionLoad]]:
    """Draw up to five connections of differing capacity, some full, some without any capacity."""
    sizes = lists(tuples(integers(0, 60), integers(0, 60)), min_size=0, max_size=5)
    return builds(
        lambda pairs: [ConnectionLoad(n, min(pair), max(pair)) for n, pair in enumerate(pairs, start=1)], sizes
    )


def filled_one_by_one(count: int, connections: list[ConnectionLoad]) -> Filling:
    """Place one instrument at a time, as the definition requires."""
    loads = [one.load for one in connections]
    for placed in range(count):
        open_positions = [position for position, one in enumerate(connections) if loads[position] < one.capacity]
        if not open_positions:
            return Filling(tuple(load - one.load for load, one in zip(loads, connections, strict=True)), count - placed)
        loads[min(open_positions, key=lambda position: (loads[position], position))] += 1
    return Filling(tuple(load - one.load for load, one in zip(loads, connections, strict=True)), 0)


def test_the_lean_profile_loads_empty_connections_within_one_of_each_other() -> None:
    assert fill(2_272, loads_of(0, 0, 0, 0, 0)) == Filling((455, 455, 454, 454, 454), 0)


def test_new_instruments_go_to_the_emptiest_connection() -> None:
    assert fill(50, loads_of(100, 40, 100, 100, 100)) == Filling((0, 50, 0, 0, 0), 0)


def test_emptier_connections_are_leveled_before_the_others_are_filled() -> None:
    assert fill(7, loads_of(3, 0, 2, 9, 9)) == Filling((1, 4, 2, 0, 0), 0)


def test_instruments_without_room_are_left_out_and_counted() -> None:
    assert fill(25, loads_of(4_990, 5_000, 5_000, 5_000, 4_995)) == Filling((10, 0, 0, 0, 5), 10)


def test_a_smaller_connection_is_filled_to_its_capacity() -> None:
    assert fill(10, [ConnectionLoad(1, 0, 2), ConnectionLoad(2, 0, 5_000)]) == Filling((2, 8), 0)


def test_a_count_of_zero_fills_no_connection() -> None:
    assert fill(0, loads_of(5, 0, 5, 5, 5)) == Filling((0, 0, 0, 0, 0), 0)


def test_without_connections_everything_is_left_out() -> None:
    assert fill(3, []) == Filling((), 3)


@given(connections=connections(), count=integers(0, 320))
def test_the_closed_form_equals_placement_one_by_one(connections: list[ConnectionLoad], count: int) -> None:
    assert fill(count, connections) == filled_one_by_one(count, connections)


@given(loads=lists(integers(0, 5_000), min_size=5, max_size=5), count=integers(0, 25_000))
def test_water_filling_never_exceeds_a_capacity_and_levels_the_filled_connections(loads: list[int], count: int) -> None:
    filling = fill(count, loads_of(*loads))

    after = [load + added for load, added in zip(loads, filling.counts, strict=True)]
    assert max(after) <= 5_000
    assert min(filling.counts) >= 0
    assert filling.left_out == max(0, count - (25_000 - sum(loads)))
    assert sum(filling.counts) + filling.left_out == count
    touched = [level for level, added in zip(after, filling.counts, strict=True) if added]
    assert not touched or max(touched) - min(after) <= 1


def test_legs_of_a_lost_connection_are_placed_on_the_others_most_important_first() -> None:
    others = [ConnectionLoad(1, 3, 5), ConnectionLoad(2, 4, 5), ConnectionLoad(5, 3, 5)]
    plan = plan_failover([11, 12, 13, 14, 15, 16], others)

    assert plan == Failover({1: [11, 12], 2: [13], 5: [14, 15]}, [16])


def test_a_connection_that_returns_empty_gets_a_fifth_from_each() -> None:
    assert plan_rebalance(loads_of(25, 25, 0, 25, 25)) == [
        Shift(1, 3, 5),
        Shift(2, 3, 5),
        Shift(4, 3, 5),
        Shift(5, 3, 5),
    ]


def test_loads_that_differ_by_one_are_not_moved() -> None:
    assert plan_rebalance(loads_of(4, 5, 4, 5, 5)) == []


def test_an_odd_remainder_stays_on_the_fullest_connection() -> None:
    assert plan_rebalance(loads_of(0, 9)) == [Shift(2, 1, 4)]


@given(connections=connections(), legs=lists(integers(), max_size=320, unique=True))
def test_every_leg_moves_once_or_waits_and_no_capacity_is_exceeded(
    connections: list[ConnectionLoad], legs: list[int]
) -> None:
    plan = plan_failover(legs, connections)

    moved = [leg for number in sorted(plan.moves) for leg in plan.moves[number]]
    assert [*moved, *plan.waiting] == legs
    capacity = {one.number: one.capacity - one.load for one in connections}
    assert all(0 < len(going) <= capacity[number] for number, going in plan.moves.items())
    assert len(moved) == min(len(legs), sum(capacity.values()))


@given(connections=connections())
def test_rebalancing_levels_within_one_and_never_exceeds_a_capacity(connections: list[ConnectionLoad]) -> None:
    capacity = {one.number: one.capacity for one in connections}
    loads = {one.number: one.load for one in connections}

    for shift in plan_rebalance(connections):
        for _ in range(shift.count):
            loads[shift.source] -= 1
            loads[shift.target] += 1
            assert loads[shift.target] <= capacity[shift.target]

    highest = max(loads.values(), default=0)
    assert all(highest - load <= 1 or load == capacity[number] for number, load in loads.items())


@given(connections=connections())
def test_rebalancing_needs_the_fewest_moves(connections: list[ConnectionLoad]) -> None:
    shifts = plan_rebalance(connections)

    after = {one.number: one.load for one in connections}
    for shift in shifts:
        after[shift.source] -= shift.count
        after[shift.target] += shift.count
    moves = sum(shift.count for shift in shifts)
    assert moves == sum(max(0, one.load - after[one.number]) for one in connections)
    assert {shift.source for shift in shifts}.isdisjoint({shift.target for shift in shifts})
    assert moves == _fewest_moves(connections)


def _fewest_moves(connections: list[ConnectionLoad]) -> int:
    """Count the single moves from the fullest to the emptiest connection with room until the loads are level."""
    loads = {one.number: one.load for one in connections}
    capacity = {one.number: one.capacity for one in connections}
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
