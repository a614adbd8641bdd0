"""State of the five feed connections, shared by the feed worker, the web processes and the admin."""

from enum import StrEnum


class ConnectionState(StrEnum):
    """State of a connection as its owner last reported it.

    `subscriptions.domain.connection_life.FOLLOWS` lists the permitted transitions.
    """

    WANTED = "wanted"  # no owner yet
    OPENING = "opening"  # at the gate, or at the handshake
    SUBSCRIBING = "subscribing"  # a socket is open, not every subscribe request was sent yet
    LIVE = "live"
    MUTE = "mute"  # no data although data was expected; the socket was closed, another follows
    RECONNECTING = "reconnecting"
    WAITING = "waiting"  # for a token
    STOPPED = "stopped"  # no attempt can succeed before a person changes something
    FAILED_OVER = "failed_over"  # lost for longer than the grace period; other connections carry its instruments
