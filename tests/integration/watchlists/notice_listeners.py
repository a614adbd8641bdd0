"""The messages that a commit sends to the browsers of traders."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from channels.layers import get_channel_layer


def record_notices(user_ids: Sequence[int], callbacks: Sequence[Callable[[], object]]) -> Mapping[int, list[Any]]:
    """Run the on-commit callbacks; return the messages that they send to the group of each user."""
    return asyncio.run(_record_notices(user_ids, callbacks))


async def _record_notices(
    user_ids: Sequence[int], callbacks: Sequence[Callable[[], object]]
) -> Mapping[int, list[Any]]:
    layer = get_channel_layer()
    assert layer is not None
    channels = {user_id: await layer.new_channel() for user_id in user_ids}
    for user_id, channel in channels.items():
        await layer.group_add(f"user.{user_id}", channel)
        await layer.group_add("test.end", channel)
    for callback in callbacks:
        await asyncio.to_thread(callback)
    await layer.group_send("test.end", {"type": "end"})
    received: dict[int, list[Any]] = {user_id: [] for user_id in user_ids}
    for user_id, channel in channels.items():
        async with asyncio.timeout(5):
            while (message := await layer.receive(channel))["type"] != "end":
                received[user_id].append(message)
    return received
