"""STORE. Messages to the open browsers of traders, through the Channels layer, by user group.

Knows the groups and the kinds of message. Delivery is best effort: the change is committed whether or not a message
arrives, and pages poll. Call it after the commit. Quotes never take this path.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from marketdata.quote_board import BoardError

logger = logging.getLogger(__name__)

# Chosen: the change is committed; a Redis that hangs must not hold the request longer.
TIMEOUT_SECONDS: Final = 2

Message = Mapping[str, str]
WATCHLIST_CHANGED: Final[Message] = {"type": "watchlist_changed"}
"""The watchlist of the trader changed: open pages read it again."""


def user_group(user_id: int) -> str:
    """Return the Channels group of all open browsers of a trader."""
    return f"user.{user_id}"


def notice(kind: str, text: str) -> Message:
    """Return the message of a notice to display; `kind` is its stable name for programs."""
    return {"type": "notice", "kind": kind, "text": text}


def send_on_commit(user_ids: Collection[int], *messages: Message) -> None:
    """Send messages to these traders once the transaction is committed; a failed delivery undoes nothing."""
    transaction.on_commit(lambda: send(user_ids=user_ids, messages=messages))


def send(*, user_ids: Collection[int], messages: Sequence[Message]) -> None:
    """Send messages of the browser wire to these traders, in the given order. Logs a failure, raises none."""
    if not user_ids:
        return
    try:
        async_to_sync(_send_all)(list(user_ids), messages)
    except (TimeoutError, OSError, BoardError) as error:
        logger.warning("notice not delivered to the browsers of %d users (%s)", len(user_ids), type(error).__name__)


async def _send_all(user_ids: Sequence[int], messages: Sequence[Message]) -> None:
    # Commands and tests may run without a layer: there is no browser to notify.
    layer = get_channel_layer()
    if layer is None:
        return
    async with asyncio.timeout(TIMEOUT_SECONDS):
        for user_id in user_ids:
            for message in messages:
                await layer.group_send(user_group(user_id), dict(message))
