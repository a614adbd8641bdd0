"""The chains that are evicted when room is short: examples, properties, and comparison with a brute-force search."""

from collections.abc import Sequence, Set
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.domain.eviction import Candidate, choose

MORNING = datetime(2026, 2, 10, 3, 45, tzinfo=UTC)


def viewed(minutes: int, key: int, holds: Set[int], *, is_view: bool = False) -> Candidate:
    """Return a candidate that was last viewed `minutes` after the open."""
    return Candidate(key, MORNING + timedelta(minutes=minutes), frozenset(holds), is_view)


def keys(chosen: Sequence[Candidate]) -> list[int]:
    return [one.key for one in chosen]


def test_the_least_recently_viewed_is_evicted_first_and_only_as_many_as_needed() -> None:
    candidates = [viewed(30, 1, {1, 2}), viewed(10, 2, {3, 4}), viewed(20, 3, {5, 6})]

    assert keys(choose(candidates, shortfall=2)) == [2]
    assert keys(choose(candidates, shortfall=3)) == [2, 3]


def test_a_chain_that_frees_nothing_is_skipped() -> None:
    candidates = [viewed(10, 1, set()), viewed(20, 2, {1})]

    assert keys(choose(candidates, shortfall=1)) == [2]


def test_two_chains_with_the_same_legs_are_evicted_together() -> None:
    twins = [viewed(10, 1, {1, 2}), viewed(20, 2, {1, 2})]

    assert keys(choose([*twins, viewed(30, 3, {3, 4})], shortfall=2)) == [1, 2]
    assert keys(choose([*twins, viewed(15, 3, {3, 4})], shortfall=2)) == [3]


def test_a_narrow_chain_inside_a_wide_one_stays_if_the_edges_of_the_wide_one_suffice() -> None:
    narrow, wide = viewed(10, 1, {2, 3}), viewed(20, 2, {1, 2, 3, 4})

    assert keys(choose([narrow, wide], shortfall=2)) == [2]
    assert keys(choose([narrow, wide], shortfall=3)) == [2, 1]


def test_a_chain_whose_legs_are_no_longer_shared_is_evicted_before_younger_ones() -> None:
    narrow, wide, young = viewed(10, 1, {2, 3}), viewed(20, 2, {1, 2, 3, 4}), viewed(30, 3, {5, 6, 7})

    assert keys(choose([narrow, wide, young], shortfall=5)) == [2, 1, 3]


def test_no_chain_is_evicted_if_all_together_do_not_suffice() -> None:
    assert keys(choose([viewed(10, 1, {1, 2}), viewed(20, 2, {2})], shortfall=3)) == []


def test_no_chain_is_evicted_without_a_shortfall() -> None:
    assert keys(choose([viewed(10, 1, {1})], shortfall=0)) == []


def test_equally_old_chains_are_evicted_in_order_of_their_keys() -> None:
    assert keys(choose([viewed(10, 2, {1}), viewed(10, 1, {2})], shortfall=1)) == [1]


def test_chains_that_browsers_only_show_are_evicted_before_every_other_chain() -> None:
    old, shown_long_ago, shown = viewed(0, 1, {1}), viewed(80, 2, {2}, is_view=True), viewed(90, 3, {3}, is_view=True)

    assert keys(choose([old, shown, shown_long_ago], shortfall=1)) == [2]
    assert keys(choose([old, shown, shown_long_ago], shortfall=2)) == [2, 3]
    assert keys(choose([old, shown, shown_long_ago], shortfall=3)) == [2, 3, 1]


def test_a_view_of_a_chain_that_a_trader_claimed_too_is_evicted_only_together_with_it() -> None:
    claimed, shown, other = viewed(20, 1, {1, 2}), viewed(90, 2, {1, 2}, is_view=True), viewed(10, 3, {3, 4})

    assert keys(choose([claimed, shown, other], shortfall=2)) == [3]
    assert keys(choose([claimed, shown, other], shortfall=3)) == [3, 2, 1]


candidates_of_a_small_world = st.lists(
    st.tuples(st.integers(0, 5), st.frozensets(st.integers(0, 7), max_size=5), st.booleans()), max_size=6
).map(
    lambda drawn: [viewed(minutes, key, holds, is_view=is_view) for key, (minutes, holds, is_view) in enumerate(drawn)]
)


def freed(candidates: Sequence[Candidate], gone: Set[int]) -> set[int]:
    """Return the instruments that stop streaming after the eviction of the chains `gone`."""
    lost = set().union(*(one.holds for one in candidates if one.key in gone))
    return lost - set().union(*(one.holds for one in candidates if one.key not in gone))


def find_oldest_useful_set(candidates: Sequence[Candidate], gone: Set[int]) -> set[int] | None:
    """Return the next chains to evict: of all sets that free something, the one with the oldest newest member; then the
    smallest."""
    order = {one.key: (not one.is_view, one.last_viewed_at, one.key) for one in candidates}
    rest = [one.key for one in candidates if one.key not in gone]
    before = len(freed(candidates, gone))
    helpful = [
        set(some)
        for some in chain.from_iterable(combinations(rest, size) for size in range(1, len(rest) + 1))
        if len(freed(candidates, gone | set(some))) > before
    ]
    return min(
        helpful,
        key=lambda some: (max(order[key] for key in some), len(some), sorted(order[key] for key in some)),
        default=None,
    )


@given(candidates=candidates_of_a_small_world, shortfall=st.integers(1, 9))
def test_the_choice_equals_that_of_a_brute_force_search(candidates: list[Candidate], shortfall: int) -> None:
    gone: set[int] = set()
    while len(freed(candidates, gone)) < shortfall:
        following = find_oldest_useful_set(candidates, gone)
        if following is None:
            gone = set()
            break
        gone |= following

    assert set(keys(choose(candidates, shortfall=shortfall))) == gone


@given(candidates=candidates_of_a_small_world, shortfall=st.integers(1, 9))
def test_a_choice_suffices_and_every_chain_in_it_is_needed(candidates: list[Candidate], shortfall: int) -> None:
    chosen = choose(candidates, shortfall=shortfall)

    gone = set(keys(chosen))
    assert len(gone) == len(chosen)
    if chosen:
        assert len(freed(candidates, gone)) >= shortfall
        whole = freed(candidates, gone)
        assert all(freed(candidates, gone - {key}) < whole for key in gone)
    else:
        assert len(freed(candidates, {one.key for one in candidates})) < shortfall


@given(candidates=candidates_of_a_small_world, shortfall=st.integers(1, 9), first=st.integers())
def test_the_oldest_candidates_give_the_same_choice_if_they_suffice(
    candidates: list[Candidate], shortfall: int, first: int
) -> None:
    """Instruments that younger candidates hold count as not freed, so that those candidates need not be loaded."""
    ordered = sorted(candidates, key=lambda one: (not one.is_view, one.last_viewed_at, one.key))
    cut = first % (len(ordered) + 1)
    old, young = ordered[:cut], ordered[cut:]
    held_by_others = frozenset().union(*(one.holds for one in young))
    seen = [Candidate(one.key, one.last_viewed_at, one.holds - held_by_others, one.is_view) for one in old]

    found = choose(seen, shortfall=shortfall)

    assert not found or keys(found) == keys(choose(candidates, shortfall=shortfall))


@given(
    oldest_first=st.lists(st.integers(1, 4), min_size=1, max_size=12), shortfall=st.integers(1, 60), seed=st.integers()
)
def test_without_shared_legs_the_oldest_are_chosen(oldest_first: list[int], shortfall: int, seed: int) -> None:
    candidates = [viewed(key, key, {key * 10 + leg for leg in range(size)}) for key, size in enumerate(oldest_first)]
    shuffled = sorted(candidates, key=lambda one: hash((one.key, seed)))

    chosen = keys(choose(shuffled, shortfall=shortfall))

    if sum(oldest_first) < shortfall:
        assert chosen == []
    else:
        assert chosen == list(range(len(chosen)))
        assert sum(oldest_first[: len(chosen)]) >= shortfall > sum(oldest_first[: len(chosen) - 1])
