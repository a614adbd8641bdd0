"""STORE. Published messages of Redis for an event loop: a subscriber notices that its connection is dead.

Redis sends a subscriber nothing while nothing is published. Without pings, a subscriber on a half-open TCP connection
would wait without end for messages that cannot arrive.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import redis
import redis.asyncio

# Chosen: frames arrive at least once a second, so longer silence is unusual and costs one ping.
PING_AFTER_SECONDS: Final = 1.5
# Chosen: with the pause between two checks (half of the above) less than the 5 s within which a half-open connection is
# detected (docs/operations.md, R16). Then the subscription is dead and the caller subscribes again.
LOST_AFTER_SECONDS: Final = 4.0


@asynccontextmanager
async def subscribed(
    client: "redis.asyncio.Redis", channels: Sequence[str], *, lost_after_seconds: float
) -> AsyncIterator[AsyncIterator[Mapping[str, Any]]]:
    """Subscribe to channels; yields every message published from then on.

    Raises redis.RedisError or OSError when Redis is lost.
    """
    async with client.pubsub(ignore_subscribe_messages=False) as listener:
        async with asyncio.timeout(lost_after_seconds):
            await listener.subscribe(*channels)
            # One confirmation per channel. Only after the last one is it certain that no message will be missed.
            for _ in channels:
                await listener.get_message(timeout=lost_after_seconds)
        yield read_messages(listener, lost_after_seconds)


async def read_messages(
    listener: "redis.asyncio.client.PubSub", lost_after_seconds: float
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield published messages; ping a silent connection and raise redis.ConnectionError if it stays silent."""
    loop = asyncio.get_running_loop()
    ping_after_seconds = lost_after_seconds * PING_AFTER_SECONDS / LOST_AFTER_SECONDS
    heard_at = loop.time()
    while True:
        message = await listener.get_message(timeout=ping_after_seconds / 2)
        silent_seconds = loop.time() - heard_at
        if message is not None:
            heard_at = loop.time()
            if message["type"] == "message":
                yield message
                # The time that the consumer needed for the message is no silence of Redis.
                heard_at = loop.time()
        elif silent_seconds >= lost_after_seconds:
            raise redis.ConnectionError(f"no message and no answer to a ping for {silent_seconds:.0f} s")
        elif silent_seconds >= ping_after_seconds:
            await listener.ping()


def async_client(url: str) -> "redis.asyncio.Redis":
    """Return a client for an event loop that subscribes; opens no connection."""
    # No read timeout: a subscriber waits for messages; `read_messages` bounds its silence.
    return redis.asyncio.Redis.from_url(url, socket_connect_timeout=2, health_check_interval=5)


def stream_entries(answer: Any) -> Sequence[tuple[bytes, Mapping[bytes, bytes]]]:
    """Return the entries of the one stream in an answer to XREAD; its form depends on the version of the protocol."""
    if not answer:
        return []
    if isinstance(answer, dict):
        ((entries,),) = answer.values()
        return list(entries)
    return list(answer[0][1])
