"""The words of claims and connections: tiers, kinds of claim, states of a connection, acts and their reasons."""

from enum import StrEnum

from marketdata.domain.instruments import InstrumentType
from marketdata.domain.quotes import Mode


class Tier(StrEnum):
    """On demand (A), or always on (B)."""

    A = "A"
    B = "B"


class ClaimKind(StrEnum):
    """Why something streams."""

    WATCHLIST = "watchlist"
    CHAIN = "chain"  # an explicit chain subscription through the API
    PRELOAD = "preload"
    SPOT = "spot"  # the underlying of claimed chains


class LogAction(StrEnum):
    """What an act did to the legs of a claim."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    RECENTRE = "recentre"
    EVICT = "evict"
    PIN = "pin"
    UNPIN = "unpin"
    MOVE = "move"  # to another connection
    REPAIR = "repair"


class LogReason(StrEnum):
    """Why an act was done, where this app itself is the cause; callers of services bring their own words."""

    PRELOAD = "PRELOAD"
    PRELOAD_ENDED = "PRELOAD_ENDED"  # the series expired, or no rule asks for it any more
    WINDOW_MOVED = "WINDOW_MOVED"
    CAPACITY = "CAPACITY"  # evicted to make room
    STAFF = "STAFF"
    EOD_CLEANUP = "EOD_CLEANUP"
    EXPIRED = "EXPIRED"
    USER_DELETED = "USER_DELETED"
    FAILOVER = "FAILOVER"  # the connection was lost for longer than the grace
    REBALANCE = "REBALANCE"
    REPAIR = "REPAIR"


def mode_of(instrument_type: InstrumentType) -> Mode:
    """Return how much the broker shall send: of an index there is nothing but its last value."""
    return Mode.TICKER if instrument_type is InstrumentType.INDEX else Mode.FULL
