"""STORE. Messages to the open browsers of traders, through the Channels layer, by user group; changes to web processes.

Knows the groups and the kinds of message. Delivery is best effort: the change is committed whether or not a message
arrives, and viewers read again at intervals. Call it after the commit. Quotes never take this path.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from asgiref.sync import async_to_sync
from channels.layers import BaseChannelLayer, get_channel_layer
from django.conf import settings
from django.db import transaction

from marketdata import quote_board
from marketdata.domain.changes import Changes
from marketdata.quote_board import BoardError
from marketdata.redis_client import breaker_of, timeout_seconds

logger = logging.getLogger(__name__)

# Chosen: the change is committed; many messages to a slow Redis must not hold the request longer than two timeouts.
TIMEOUTS: Final = 2

Message = Mapping[str, Any]
Target = Mapping[str, str | int | None]
"""Symbol, exchange, ISO expiry and instrument of an entry; a chain has no instrument."""

WATCHLIST_CHANGED: Final[Message] = {"type": "watchlist_changed"}
"""The watchlist of the trader changed: open pages read it again."""

LOGIN_CHANGED: Final[Message] = {"type": "login_changed"}
"""A login session of the trader may have ended: sockets check theirs."""


def user_group(user_id: int) -> str:
    """Return the Channels group of all open browsers of a trader."""
    return f"user.{user_id}"


def notice(kind: str, text: str, *, lost: Sequence[Target] = ()) -> Message:
    """Return the message of a notice to display; `kind` is its stable name for programs.

    `lost` are the entries that stopped streaming and that the trader may want to stream again.
    """
    return {"type": "notice", "kind": kind, "text": text, **({"lost": [dict(one) for one in lost]} if lost else {})}


def send_on_commit(user_ids: Collection[int], *messages: Message) -> None:
    """Send messages to these traders once the transaction is committed; a failed delivery undoes nothing."""
    transaction.on_commit(lambda: send(user_ids=user_ids, messages=messages))


def publish_on_commit(changes: Changes) -> None:
    """Publish to all web processes what the transaction changed, once it is committed; a failure undoes nothing."""
    if changes != Changes():
        transaction.on_commit(lambda: _publish(changes))


def _publish(changes: Changes) -> None:
    try:
        quote_board.connect().publish_changes(changes)
    except BoardError as error:
        logger.warning("changes not published (%s): open browsers see them within a minute", type(error).__name__)


def send(*, user_ids: Collection[int], messages: Sequence[Message]) -> None:
    """Send messages of the browser wire to these traders, in the given order. Logs a failure, raises none."""
    # Commands and tests may run without a layer: there is no browser to notify.
    layer = get_channel_layer()
    if layer is None or not user_ids:
        return
    # The layer has its own connections to the same Redis: one wait for both.
    breaker = breaker_of(settings.REDIS_URL)
    try:
        breaker.admit()
        async_to_sync(_send_all)(layer, list(user_ids), messages)
        breaker.note_answer()
    except (TimeoutError, OSError, BoardError) as error:
        if isinstance(error, TimeoutError):
            breaker.note_timeout()
        logger.warning("notice not delivered to the browsers of %d users (%s)", len(user_ids), type(error).__name__)


async def _send_all(layer: BaseChannelLayer, user_ids: Sequence[int], messages: Sequence[Message]) -> None:
    async with asyncio.timeout(TIMEOUTS * timeout_seconds()):
        for user_id in user_ids:
            for message in messages:
                async with asyncio.timeout(timeout_seconds()):
                    await layer.group_send(user_group(user_id), dict(message))
