"""Free slots on the connections, for instruments that start to stream.

Live connections fill first. A lost connection streams nothing, so it takes new instruments only once the others are
full. A moving instrument occupies a slot on two connections until its move ends; a new instrument takes precedence
over that overlap.
"""

from dataclasses import dataclass

from django.db import connection

from subscriptions import selectors
from subscriptions.domain.placement import ConnectionLoad, fill
from subscriptions.models import Subscription


@dataclass(frozen=True, slots=True)
class Slots:
    """The connection of each instrument that fits, the number that do not, and the free and total slots before."""

    numbers: list[int]
    left_out: int
    free: int
    capacity: int


def find_slots(count: int) -> Slots:
    """Return slots for `count` instruments; if they do not fit, moves under way end their overlap at once."""
    slots = _find_slots(count)
    # An overlap that ends early costs the moving instrument a gap; a refusal would cost the new one its stream.
    if slots.left_out and end_overlaps():
        return _find_slots(count)
    return slots


def _find_slots(count: int) -> Slots:
    connections = selectors.list_connections()
    numbers: list[int] = []
    left = count
    # Live connections first; what they cannot take goes to lost ones, which stream it once they are back.
    for is_lost in (False, True):
        usable = [one for one in connections if (one.lost_since is not None) is is_lost]
        loads = [ConnectionLoad(one.number, one.load, one.capacity) for one in usable]
        filling = fill(left, loads)
        left = filling.left_out
        numbers += [one.number for one, taken in zip(loads, filling.counts, strict=True) for _ in range(taken)]
    capacity = sum(one.capacity for one in connections)
    return Slots(numbers, left, free=capacity - sum(one.load for one in connections), capacity=capacity)


def end_overlaps() -> bool:
    """Take every moving instrument off the connection that it leaves; return whether there was any.

    The caller owns the placement lock.
    """
    if not Subscription.objects.filter(leaving_connection__isnull=False).exists():
        return False
    # Triggers lower the loads of the connections left.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE subscriptions SET leaving_connection_id = NULL WHERE leaving_connection_id IS NOT NULL")
    return True
