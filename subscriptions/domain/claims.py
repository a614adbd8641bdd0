"""The words of claims and connections: tiers, kinds of claim, states of a connection."""

from enum import StrEnum


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


class ConnectionState(StrEnum):
    """What the owner of a connection last said of it."""

    WANTED = "wanted"  # no owner yet
    OPENING = "opening"
    LIVE = "live"
    RECONNECTING = "reconnecting"
    STOPPED = "stopped"


class LogAction(StrEnum):
    """What an act did to the legs of a claim."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    RECENTRE = "recentre"
