"""Where there is room: the places for new legs, and the overlaps of moves that may have to end for them.

A lost connection takes new legs only where nobody else has room: it streams nothing. A moving instrument has a place
on two connections while it moves; who needs that place comes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from subscriptions.domain.losses import Health
from subscriptions.domain.placement import Room, fill
from subscriptions.models import Subscription
from subscriptions.selectors import list_health


@dataclass(frozen=True, slots=True)
class Places:
    """A connection for each of the new legs that fit, how many do not, and the places there were."""

    numbers: list[int]
    left_out: int
    free: int
    capacity: int


def find_places(count: int) -> Places:
    """Return where `count` new legs go. Moves under way end their overlap if it takes a place that is wanted."""
    places = _find_places(count)
    if places.left_out and end_overlaps():
        return _find_places(count)
    return places


def _find_places(count: int) -> Places:
    health, _ = list_health()
    numbers: list[int] = []
    left = count
    for rooms in (_rooms(health, lost=False), _rooms(health, lost=True)):
        filling = fill(left, rooms)
        left = filling.left_out
        numbers += [room.number for room, taken in zip(rooms, filling.counts, strict=True) for _ in range(taken)]
    return Places(
        numbers, left, free=sum(one.capacity - one.load for one in health), capacity=sum(one.capacity for one in health)
    )


def _rooms(health: Sequence[Health], *, lost: bool) -> list[Room]:
    return [Room(one.number, one.load, one.capacity) for one in health if (one.lost_since is not None) is lost]


def end_overlaps() -> bool:
    """Take everything that moves off the connection it leaves; return whether there was anything.

    Without locks of its own: the caller has the placement lock.
    """
    if not Subscription.objects.filter(leaving_connection__isnull=False).exists():
        return False
    with connection.cursor() as cursor:
        cursor.execute("UPDATE subscriptions SET leaving_connection_id = NULL WHERE leaving_connection_id IS NOT NULL")
    return True
