"""STORE. Words to the open browsers of traders, over the Channels layer, by user group.

Knows the groups and the kinds of message. Telling is best effort: what it tells of stands whether or not anybody
could be told, and pages look again by themselves. Call it after the commit. Quotes never come this way.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from marketdata.quote_board import BoardError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 2


def user_group(user_id: int) -> str:
    """Return the Channels group that reaches every open browser of a trader."""
    return f"user.{user_id}"


def send_notice(*, user_ids: Collection[int], kind: str, text: str) -> None:
    """Show these traders a sentence; `kind` is its stable name for programs."""
    send(user_ids=user_ids, messages=[{"type": "notice", "kind": kind, "text": text}])


def send_watchlist_changed(*, user_ids: Collection[int]) -> None:
    """Have the pages of these traders read their lists again."""
    send(user_ids=user_ids, messages=[{"type": "watchlist_changed"}])


def send(*, user_ids: Collection[int], messages: Sequence[Mapping[str, str]]) -> None:
    """Send messages of the browser's wire to these traders, each in the order given."""
    if not user_ids:
        return
    try:
        async_to_sync(_send_all)(list(user_ids), messages)
    except (TimeoutError, OSError, BoardError) as error:
        logger.warning("browsers of %d users were not told: %s", len(user_ids), type(error).__name__)


async def _send_all(user_ids: Sequence[int], messages: Sequence[Mapping[str, str]]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    async with asyncio.timeout(TIMEOUT_SECONDS):
        for user_id in user_ids:
            for message in messages:
                await layer.group_send(user_group(user_id), dict(message))
