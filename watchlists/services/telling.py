"""Telling open browsers what became of their lists, once it is committed; who cannot be told undoes nothing."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from marketdata.quote_board import BoardError

logger = logging.getLogger(__name__)

NOTICE_TIMEOUT_SECONDS: Final = 2


def tell_on_commit(user_ids: Iterable[int], *messages: Mapping[str, str]) -> None:
    """Send messages to the open browsers of these users once the transaction is committed."""
    listeners = list(user_ids)

    def tell() -> None:
        try:
            async_to_sync(_tell)(listeners, messages)
        except (TimeoutError, OSError, BoardError) as error:
            # The act stands whether or not anybody could be told; pages look again by themselves.
            logger.warning("browsers of %d users were not told: %s", len(listeners), type(error).__name__)

    transaction.on_commit(tell)


async def _tell(user_ids: Sequence[int], messages: Sequence[Mapping[str, str]]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    async with asyncio.timeout(NOTICE_TIMEOUT_SECONDS):
        for user_id in user_ids:
            for message in messages:
                await layer.group_send(f"user.{user_id}", dict(message))
