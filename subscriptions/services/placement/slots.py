"""Where there is room: the slots for newcomers, and the overlaps of moves that may have to end for them.

A lost connection takes newcomers only where nobody else has room: it streams nothing. A moving instrument has a place
on two connections while it moves; who needs that place comes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from subscriptions.domain.outages import Health
from subscriptions.domain.placement import ConnectionLoad, fill
from subscriptions.models import Subscription
from subscriptions.selectors import list_health


@dataclass(frozen=True, slots=True)
class Slots:
    """A connection for each of the newcomers that fit, how many do not, and the slots there were."""

    numbers: list[int]
    left_out: int
    free: int
    capacity: int


def find_slots(count: int) -> Slots:
    """Return where `count` newcomers go. Moves under way end their overlap if it takes a place that is wanted."""
    slots = _find_slots(count)
    if slots.left_out and end_overlaps():
        return _find_slots(count)
    return slots


def _find_slots(count: int) -> Slots:
    health, _ = list_health()
    numbers: list[int] = []
    left = count
    for loads in (_loads(health, lost=False), _loads(health, lost=True)):
        filling = fill(left, loads)
        left = filling.left_out
        numbers += [one.number for one, taken in zip(loads, filling.counts, strict=True) for _ in range(taken)]
    return Slots(
        numbers, left, free=sum(one.capacity - one.load for one in health), capacity=sum(one.capacity for one in health)
    )


def _loads(health: Sequence[Health], *, lost: bool) -> list[ConnectionLoad]:
    return [
        ConnectionLoad(one.number, one.load, one.capacity) for one in health if (one.lost_since is not None) is lost
    ]


def end_overlaps() -> bool:
    """Take everything that moves off the connection it leaves; return whether there was anything.

    Without locks of its own: the caller has the placement lock.
    """
    if not Subscription.objects.filter(leaving_connection__isnull=False).exists():
        return False
    with connection.cursor() as cursor:
        cursor.execute("UPDATE subscriptions SET leaving_connection_id = NULL WHERE leaving_connection_id IS NOT NULL")
    return True
