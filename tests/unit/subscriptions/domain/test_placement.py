"""Water-filling: always to the emptiest, ties to the lowest number, never over capacity."""

from hypothesis import given
from hypothesis.strategies import SearchStrategy, builds, integers, lists, tuples

from subscriptions.domain.placement import Filling, Room, fill


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
