"""Choice of the tier-A chains to evict: views first, then least recently viewed, and only as many as needed.

Theory of operation. An instrument stops streaming only once every chain that holds it is evicted, so the effect of one
eviction depends on the others: two chains that share a leg free it only together. Hence the unit of choice is a group,
not a chain:

1. For every instrument, the chains that hold it form a group: evicting exactly these frees the instrument. Instruments
   with the same holders share a group; the group frees as many instruments.
2. The claim by which browsers show a chain (a view) is a candidate of its own, and older than every other chain.
   A group is as old as its youngest member: no recently viewed chain goes because an old one shares a leg.
3. The oldest group goes first; of groups with the same age (they share that member) the smallest.
4. The chosen chains leave every other group that they belong to. A group that shrinks becomes older, so it is queued
   again; a group without members left is free.
5. This ends once the freed instruments make up the shortfall.

Without sharing, every group has one member and this is plain least-recently-viewed order. A chain that frees nothing
is in no group and stays. The caller leaves out of `holds` what no eviction can free: instruments of tier B, of pinned
chains, of chains that are no candidates, and of the added item.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from heapq import heapify, heappop, heappush


class Evictable(Enum):
    """The chains that may be evicted for an added item."""

    NONE = "none"
    INSTRUMENT_VIEWS = "instrument_views"  # single instruments that browsers only show
    VIEWS = "views"  # these, and chains that browsers only show
    CHAINS = "chains"  # all of tier A


@dataclass(frozen=True, slots=True)
class Candidate:
    """One tier-A chain (or instrument) over its claims of traders, or its view claim (`is_view`).

    It was viewed last when the newest of these claims was. `holds` are the instruments, spot included, that stream only
    for candidates.
    """

    key: int
    last_viewed_at: datetime
    holds: Set[int]
    is_view: bool = False


@dataclass(slots=True)
class _Group:
    """Candidates (by rank, 0 is the oldest) that together free `frees` instruments."""

    members: set[int]
    frees: int

    def priority(self) -> tuple[int, int, list[int]]:
        """Return the key of the queue: age, size, then the ranks, so that no two groups tie."""
        return max(self.members), len(self.members), sorted(self.members)


@dataclass(slots=True)
class _Ranking:
    """Candidates, views first, then least recently viewed; the groups; and the groups of each rank."""

    ordered: Sequence[Candidate]
    groups: list[_Group] = field(default_factory=list)
    groups_of: Mapping[int, list[int]] = field(default_factory=dict)


def choose(candidates: Sequence[Candidate], *, shortfall: int) -> Sequence[Candidate]:
    """Return the chains to evict, in order, that free at least `shortfall` instruments; none if all do not suffice.

    Chains viewed at the same time go by key.
    """
    ranking = _rank(candidates)
    # All or nothing: an eviction that does not make the addition fit would only take chains away.
    if shortfall <= 0 or sum(group.frees for group in ranking.groups) < shortfall:
        return ()
    queue = [(group.priority(), number) for number, group in enumerate(ranking.groups)]
    heapify(queue)
    chosen: list[int] = []
    freed = 0
    while freed < shortfall:
        priority, number = heappop(queue)
        group = ranking.groups[number]
        # A heap cannot move an entry: a group that shrank was pushed again, and its old entry is skipped here.
        if not group.members or priority != group.priority():
            continue
        evicted = sorted(group.members)
        chosen += evicted
        for rank in evicted:
            for touched in ranking.groups_of[rank]:
                rest = ranking.groups[touched]
                rest.members.discard(rank)
                if rest.members:
                    heappush(queue, (rest.priority(), touched))
                else:
                    # Its last holder is evicted now: this group's instruments stop streaming.
                    freed += rest.frees
    return [ranking.ordered[rank] for rank in chosen]


def _rank(candidates: Sequence[Candidate]) -> _Ranking:
    ordered = sorted(candidates, key=lambda one: (not one.is_view, one.last_viewed_at, one.key))
    holders: dict[int, list[int]] = defaultdict(list)
    for rank, candidate in enumerate(ordered):
        for instrument_id in candidate.holds:
            holders[instrument_id].append(rank)
    # Ranks ascend in each list, so equal sets of holders have equal tuples.
    frees: dict[tuple[int, ...], int] = defaultdict(int)
    for ranks in holders.values():
        frees[tuple(ranks)] += 1
    groups_of: dict[int, list[int]] = defaultdict(list)
    for number, ranks_of_group in enumerate(frees):
        for rank in ranks_of_group:
            groups_of[rank].append(number)
    return _Ranking(ordered, [_Group(set(ranks), count) for ranks, count in frees.items()], groups_of)
