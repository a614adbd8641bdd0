"""Moves of subscriptions between connections: failover of a lost connection, and rebalancing of the loads.

Each is one transaction, set-based, with one log row per pair of connections. A lost connection streams nothing, so its
instruments change connection at once. In a rebalance the new connection streams first: the instrument is on both
(`leaving_connection`) until the owner of the new connection calls `finish_moves`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection as database
from django.db.models import Count

from marketdata.domain.feed import ConnectionState
from subscriptions import selectors
from subscriptions.domain.claims import Cause, LogAction, LogReason
from subscriptions.domain.connections import ConnectionStatus
from subscriptions.domain.placement import ConnectionLoad, Shift, plan_failover, plan_rebalance
from subscriptions.models import FeedConnection, Subscription, SubscriptionLog
from subscriptions.services.placement.lock import nudge_owners_on_commit, placement
from subscriptions.services.placement.slots import end_overlaps

ACTOR: Final = "feed"

Move = tuple[int, int, int]
"""An instrument id, its old connection, its new connection."""


@dataclass(frozen=True, slots=True)
class FailOverReport:
    """Instruments moved off a lost connection, by new connection (`to`), and those that wait there for room."""

    connection: int
    moved: int = 0
    waiting: int = 0
    to: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class RebalanceReport:
    """The number of moves, and the instruments on each connection before and after; overlaps are not counted."""

    moves: int
    before: Mapping[int, int]
    after: Mapping[int, int]


# Moves under way when a connection is lost: a move to it is undone if the old connection is live and so still streams
# the instrument; a move away from it ends its overlap, because the lost connection streams nothing.
_SETTLE_MOVES = """
UPDATE subscriptions AS moved
SET connection_id = CASE WHEN before.connection_id = %(lost)s THEN before.leaving_connection_id
        ELSE before.connection_id END,
    leaving_connection_id = NULL
FROM subscriptions AS before
WHERE before.id = moved.id AND (
    before.leaving_connection_id = %(lost)s
    OR (before.connection_id = %(lost)s AND before.leaving_connection_id = ANY(%(live)s))
)
RETURNING moved.instrument_id, before.connection_id, moved.connection_id
"""

# The order of failover: tier B first ("B" > "A"), then the most recently viewed. Spot claims are never viewed
# themselves: a spot counts as viewed when one of its chains is.
_LIST_BY_IMPORTANCE = """
SELECT subscription.id
FROM subscriptions AS subscription
LEFT JOIN claim_legs AS leg ON leg.subscription_id = subscription.id
LEFT JOIN claims AS claim ON claim.id = leg.claim_id
LEFT JOIN (
    SELECT spot_id, max(last_viewed_at) AS viewed_at FROM claims WHERE spot_id IS NOT NULL GROUP BY spot_id
) AS chains ON chains.spot_id = claim.id
WHERE subscription.connection_id = %s
GROUP BY subscription.id
ORDER BY subscription.tier DESC, max(greatest(claim.last_viewed_at, chains.viewed_at)) DESC NULLS LAST, subscription.id
"""

_MOVE_AT_ONCE = """
UPDATE subscriptions AS moved SET connection_id = target.number, leaving_connection_id = NULL
FROM unnest(%s::bigint[], %s::smallint[]) AS target (id, number)
WHERE moved.id = target.id
RETURNING moved.instrument_id, %s, moved.connection_id
"""

# Tier A moves before tier B and new subscriptions before old ones, so the oldest always-on streams stay undisturbed.
# The moves from one connection are numbered; each shift takes the next `size` numbers (upto - size, upto].
_MOVE_WITH_OVERLAP = """
WITH ranked AS (
    SELECT id, connection_id, row_number() OVER (PARTITION BY connection_id ORDER BY tier, id DESC) AS place
    FROM subscriptions WHERE leaving_connection_id IS NULL AND connection_id = ANY(%(sources)s::smallint[])
), shifts AS (
    SELECT source, target, sum(size) OVER (PARTITION BY source ORDER BY target) AS upto, size
    FROM unnest(%(sources)s::smallint[], %(targets)s::smallint[], %(sizes)s::integer[]) AS one (source, target, size)
)
UPDATE subscriptions AS moved SET connection_id = shifts.target, leaving_connection_id = shifts.source
FROM ranked JOIN shifts ON shifts.source = ranked.connection_id
    AND ranked.place > shifts.upto - shifts.size AND ranked.place <= shifts.upto
WHERE moved.id = ranked.id
RETURNING moved.instrument_id, shifts.source, shifts.target
"""


def fail_over(*, connection: int, now: datetime) -> FailOverReport:
    """Move the instruments of a lost connection to live ones, in order of importance; those that do not fit wait there.

    Nothing moves if the connection is not lost any more, or if no connection is live. Raises PlacementBusy.
    """
    with placement(now=now):
        connections = selectors.list_connections()
        live = [one.number for one in connections if one.is_live]
        if not live or not any(one.number == connection and one.lost_since is not None for one in connections):
            return FailOverReport(connection)
        with database.cursor() as cursor:
            cursor.execute(_SETTLE_MOVES, {"lost": connection, "live": live})
            # Moves to the lost connection that were undone count as moved away from it.
            settled: list[Move] = [row for row in cursor.fetchall() if row[1] == connection]
            cursor.execute(_LIST_BY_IMPORTANCE, [connection])
            legs = [pk for (pk,) in cursor.fetchall()]
        plan = plan_failover(legs, _loads_of(live))
        # A slot that only holds an overlap is worth less than an instrument that does not stream at all.
        if plan.waiting and end_overlaps():
            plan = plan_failover(legs, _loads_of(live))
        moved = settled + _move_at_once(plan.moves, source=connection)
        if moved:
            _record(moved, Cause(LogReason.FAILOVER, ACTOR, now))
            FeedConnection.objects.filter(number=connection).update(state=ConnectionState.FAILED_OVER, since=now)
        to = Counter(target for _, _, target in moved)
        return FailOverReport(connection, len(moved), len(plan.waiting), dict(sorted(to.items())))


def rebalance(*, actor: str, now: datetime) -> RebalanceReport:
    """Level the loads of the connections that are not lost, with the fewest moves. Raises PlacementBusy."""
    with placement(now=now):
        connections = [one for one in selectors.list_connections() if one.lost_since is None]
        before = _count_carried(connections)
        # Lost connections neither give nor take: their instruments do not stream, and moving those is failover.
        shifts = plan_rebalance([ConnectionLoad(one.number, before[one.number], one.capacity) for one in connections])
        # An overlap takes a slot on both connections. Without room for that the earlier moves end now.
        if shifts and not _fits(shifts, connections):
            end_overlaps()
        moved = _move_with_overlap(shifts) if shifts else []
        if moved:
            _record(moved, Cause(LogReason.REBALANCE, actor, now))
        return RebalanceReport(len(moved), before, _count_carried(connections))


def finish_moves(*, connection: int, instrument_ids: Collection[int], now: datetime) -> int:
    """End the overlap of these instruments, which `connection` now streams; return the number. Raises PlacementBusy."""
    with placement(now=now):
        arrived = Subscription.objects.filter(
            connection=connection, leaving_connection__isnull=False, instrument__in=instrument_ids
        )
        finished = arrived.update(leaving_connection=None)
        if finished:
            nudge_owners_on_commit()
        return finished


def _loads_of(numbers: Collection[int]) -> Sequence[ConnectionLoad]:
    return [
        ConnectionLoad(one.number, one.load, one.capacity)
        for one in selectors.list_connections()
        if one.number in numbers
    ]


def _move_at_once(moves: Mapping[int, Sequence[int]], *, source: int) -> list[Move]:
    ids = [pk for legs in moves.values() for pk in legs]
    if not ids:
        return []
    with database.cursor() as cursor:
        numbers = [number for number, legs in moves.items() for _ in legs]
        cursor.execute(_MOVE_AT_ONCE, [ids, numbers, source])
        moved: list[Move] = cursor.fetchall()
    return moved


def _move_with_overlap(shifts: Iterable[Shift]) -> list[Move]:
    ordered = sorted(shifts, key=lambda one: (one.source, one.target))
    with database.cursor() as cursor:
        cursor.execute(
            _MOVE_WITH_OVERLAP,
            {
                "sources": [one.source for one in ordered],
                "targets": [one.target for one in ordered],
                "sizes": [one.count for one in ordered],
            },
        )
        moved: list[Move] = cursor.fetchall()
    return moved


def _fits(shifts: Iterable[Shift], connections: Iterable[ConnectionStatus]) -> bool:
    """Return whether the targets have room for the overlaps, and no earlier move is under way."""
    coming = Counter[int]()
    for shift in shifts:
        coming[shift.target] += shift.count
    fits = all(one.load + coming[one.number] <= one.capacity for one in connections)
    return fits and not Subscription.objects.filter(leaving_connection__isnull=False).exists()


def _count_carried(connections: Iterable[ConnectionStatus]) -> Mapping[int, int]:
    rows = Subscription.objects.values_list("connection").annotate(count=Count("pk"))
    counts = dict(rows.order_by("connection"))
    return {one.number: counts.get(one.number, 0) for one in connections}


def _record(moves: Iterable[Move], cause: Cause) -> None:
    """Write one log row per pair of connections, and nudge the owners after the commit."""
    by_pair: dict[tuple[int, int], list[int]] = {}
    for instrument_id, source, target in moves:
        by_pair.setdefault((source, target), []).append(instrument_id)
    SubscriptionLog.objects.bulk_create(
        [
            SubscriptionLog(
                at=cause.now,
                action=LogAction.MOVE,
                reason=cause.reason,
                actor=cause.actor,
                subject=f"connection {source} to {target}",
                legs=sorted(instrument_ids),
                connections={str(source): len(instrument_ids), str(target): len(instrument_ids)},
                counts={"legs": len(instrument_ids)},
            )
            for (source, target), instrument_ids in sorted(by_pair.items())
        ]
    )
    nudge_owners_on_commit()
