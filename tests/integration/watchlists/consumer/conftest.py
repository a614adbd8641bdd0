"""A quote hub with a running publisher, a trader and a market, on the event loop of the test."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest_asyncio
import redis.asyncio
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.db import connections

from accounts.models import User
from marketdata.quote_board import connect_hub
from marketdata.streaming.hub import QuoteHub
from tests import factories
from tests.factories import Listing
from tests.integration.marketdata.streaming.frame_publishers import FramePublisher, running_publisher
from tests.integration.watchlists.consumer.change_receivers import note_changes


@pytest_asyncio.fixture(autouse=True)
async def closed_connections() -> AsyncIterator[None]:
    """Close the database connections of watches: with the communicator, Channels does not close old ones."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        asyncio.get_running_loop().set_default_executor(executor)
        yield
        await sync_to_async(connections.close_all, thread_sensitive=False)()
        await sync_to_async(connections.close_all)()


@pytest_asyncio.fixture
async def hub(own_board: str) -> AsyncIterator[QuoteHub]:
    one = QuoteHub(connect=connect_hub, note_changes=note_changes)
    yield one
    await one.aclose()


@pytest_asyncio.fixture
async def publisher(redis_url: str, own_board: str) -> AsyncIterator[FramePublisher]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        one = FramePublisher(client, own_board)
        async with running_publisher(one):
            yield one


@pytest_asyncio.fixture
async def trader() -> User:
    return await database_sync_to_async(factories.make_user)()


@pytest_asyncio.fixture
async def listing() -> Listing:
    return await database_sync_to_async(factories.make_listing)()
