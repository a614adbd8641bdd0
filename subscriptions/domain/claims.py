"""The vocabulary of claims: tiers, kinds of claim, the actions of the audit log and their reasons.

The values are stored in the database and shown by the API: renaming a value needs a migration.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from marketdata.domain.instruments import InstrumentType
from marketdata.domain.quotes import Mode


class Tier(StrEnum):
    """On demand (A), or always on (B)."""

    # SQL compares tiers as text (`max(tier)`): "A" < "B" makes B win over A.
    A = "A"
    B = "B"


class ClaimKind(StrEnum):
    """Origin of a claim."""

    WATCHLIST = "watchlist"
    CHAIN = "chain"  # an explicit chain subscription through the API
    PRELOAD = "preload"
    SPOT = "spot"  # the underlying of claimed chains
    VIEW = "view"  # a chain or an instrument that browsers show; one for all of them


class LogAction(StrEnum):
    """Effect of an action on the legs of a claim."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    RECENTRE = "recentre"
    EVICT = "evict"
    PIN = "pin"
    UNPIN = "unpin"
    MOVE = "move"  # to another connection
    REPAIR = "repair"
    FOLLOW = "follow"  # the claim refers to the instrument, series or spot that continues its former one


class LogReason(StrEnum):
    """Reasons that this app records itself; callers of its services pass others as text."""

    PRELOAD = "PRELOAD"
    PRELOAD_ENDED = "PRELOAD_ENDED"  # the series expired, or no rule includes it any more
    WINDOW_MOVED = "WINDOW_MOVED"
    CAPACITY = "CAPACITY"  # evicted to make room
    STAFF = "STAFF"
    EOD_CLEANUP = "EOD_CLEANUP"
    EXPIRED = "EXPIRED"
    USER_DELETED = "USER_DELETED"
    VIEWED = "VIEWED"  # a browser shows it
    NOT_VIEWED = "NOT_VIEWED"  # the last browser that showed it left a minute ago
    FAILOVER = "FAILOVER"  # the connection was lost for longer than the grace period
    REBALANCE = "REBALANCE"
    REPAIR = "REPAIR"
    # An import of the instrument file changed the contract; the first three are the values of `Change`.
    NEW_ID = "NEW_ID"
    EXPIRY_MOVED = "EXPIRY_MOVED"
    RENAMED = "RENAMED"
    SPOT_CHANGED = "SPOT_CHANGED"
    NOT_LISTED = "NOT_LISTED"  # and nothing continues it
    DUPLICATE = "DUPLICATE"  # it continues as an item that the same trader or rule holds already


@dataclass(frozen=True, slots=True)
class Cause:
    """Reason, actor and time of an action, as the audit log records them."""

    reason: str
    actor: str
    now: datetime


@dataclass(frozen=True, slots=True)
class LegChange:
    """A leg that a claim gained or lost.

    `changes_streaming`: the instrument started or stopped streaming with this change. Otherwise other claims hold the
    instrument too.
    """

    claim_id: int
    instrument_id: int
    connection: int
    changes_streaming: bool


def mode_of(instrument_type: InstrumentType) -> Mode:
    """Return the mode to subscribe an instrument in."""
    # The broker has no depth, volume or open interest for an index: its full packet would be empty but for the LTP.
    return Mode.TICKER if instrument_type is InstrumentType.INDEX else Mode.FULL
