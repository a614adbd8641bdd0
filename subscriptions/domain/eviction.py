"""Which chains of tier A go when room is short: the least recently viewed, and only as many as needed.

Theory. An instrument ceases to stream once everybody who holds it has gone, so what an eviction frees depends on
what has been chosen before: two chains that share a leg free it only together. For every instrument the chains
that must go for it form a group; the group is as old as its most recently viewed member, and shrinks as members
are chosen for other reasons. At each turn the oldest group goes; of groups equally old (they share that member) the
smallest. A chain that alone frees something is a group of one, so without sharing this is plain least recently
viewed first, and a chain that would free nothing is in no group and stays.

What tier B holds, what is pinned and what the added item needs frees nothing; who that is, is the caller's to say.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heapify, heappop, heappush


@dataclass(frozen=True, slots=True)
class Candidate:
    """One chain (or one instrument) of tier A with all its tier-A claims, viewed last when the newest of them was.

    `holds` are the instruments that stream for it, its spot included; those that stream for somebody who is no
    candidate may be left out, for they are not freed.
    """

    key: int
    last_viewed_at: datetime
    holds: Set[int]
    is_spared: bool = False


@dataclass(slots=True)
class _Group:
    """Candidates, by rank, that must all go to free so many instruments."""

    members: set[int]
    frees: int

    def turn(self) -> tuple[int, int, list[int]]:
        """Return when it is its turn: the oldest first, the smallest first, never a tie."""
        return max(self.members), len(self.members), sorted(self.members)


@dataclass(slots=True)
class _Ranking:
    """Candidates from the least recently viewed on, and the groups each belongs to."""

    ordered: Sequence[Candidate]
    groups: list[_Group] = field(default_factory=list)
    groups_of: Mapping[int, list[int]] = field(default_factory=dict)


def choose(candidates: Sequence[Candidate], *, shortfall: int, needed: Set[int] = frozenset()) -> Sequence[Candidate]:
    """Return who goes, in their turn, so that at least `shortfall` instruments are freed; nobody if all do not suffice.

    `needed` are instruments of the added item. Ties of age go by key.
    """
    ranking = _rank(candidates, needed)
    if shortfall <= 0 or sum(group.frees for group in ranking.groups) < shortfall:
        return ()
    turns = [(group.turn(), number) for number, group in enumerate(ranking.groups)]
    heapify(turns)
    chosen: list[int] = []
    freed = 0
    while freed < shortfall:
        turn, number = heappop(turns)
        group = ranking.groups[number]
        if not group.members or turn != group.turn():
            continue  # It has shrunk since and stands elsewhere in the queue, or is free already.
        going = sorted(group.members)
        chosen += going
        for rank in going:
            for touched in ranking.groups_of[rank]:
                rest = ranking.groups[touched]
                rest.members.discard(rank)
                if rest.members:
                    heappush(turns, (rest.turn(), touched))
                else:
                    freed += rest.frees
    return [ranking.ordered[rank] for rank in chosen]


def count_freeable(candidates: Sequence[Candidate], *, needed: Set[int] = frozenset()) -> int:
    """Return how many instruments evicting everybody who is not spared would free."""
    return sum(group.frees for group in _rank(candidates, needed).groups)


def _rank(candidates: Sequence[Candidate], needed: Set[int]) -> _Ranking:
    ordered = sorted(candidates, key=lambda one: (one.last_viewed_at, one.key))
    holders: dict[int, list[int]] = defaultdict(list)
    for rank, candidate in enumerate(ordered):
        for instrument_id in candidate.holds:
            holders[instrument_id].append(rank)
    frees: dict[tuple[int, ...], int] = defaultdict(int)
    for instrument_id, ranks in holders.items():
        if instrument_id not in needed and not any(ordered[rank].is_spared for rank in ranks):
            frees[tuple(ranks)] += 1
    groups_of: dict[int, list[int]] = defaultdict(list)
    for number, ranks_of_group in enumerate(frees):
        for rank in ranks_of_group:
            groups_of[rank].append(number)
    return _Ranking(ordered, [_Group(set(ranks), count) for ranks, count in frees.items()], groups_of)
