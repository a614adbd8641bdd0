"""The feed part of /health from real subscriptions and reports: which are on their way, and the age of a report."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest
import redis.asyncio
from django.conf import settings
from django.test import Client
from django.utils import timezone

from marketdata import quote_board
from marketdata.domain.feed import ConnectionState
from subscriptions.models import FeedConnection, Subscription
from subscriptions.selectors import PlacedCounts, count_placed
from terminal.feed_health import read_reports
from tests.connection_factories import make_report
from tests.integration.subscriptions.claim_factories import fill_with_shares
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_board")]


def report_all(sent: Mapping[int, int]) -> None:
    """Write the reports of live owners that have sent so many instruments."""

    async def write() -> None:
        async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
            board = quote_board.OwnerBoard(client, settings.REDIS_PREFIX)
            for number, count in sent.items():
                await board.report(make_report(number, state=ConnectionState.LIVE, sent=count, streaming=count))

    asyncio.run(write())


def loads() -> Mapping[int, int]:
    return dict(FeedConnection.objects.values_list("number", "load"))


def test_subscriptions_on_their_way_are_ok_for_three_seconds() -> None:
    fill_with_shares(800, prefix="OLD")
    Subscription.objects.update(since=timezone.now() - timedelta(minutes=1))
    before = loads()
    fill_with_shares(5, prefix="NEW")
    report_all(before)

    fresh = Client().get("/health").json()["parts"]["feed"]
    Subscription.objects.update(since=timezone.now() - timedelta(seconds=3.1))
    late = Client().get("/health").json()["parts"]["feed"]

    assert (fresh["status"], fresh["unsent"]) == ("ok", 5)
    assert (late["status"], late["unsent"]) == ("degraded", 5)
    assert late["reason"] == "800 of 805 instruments were requested from the broker so far; 5 wait for more than 3 s"


def test_a_moving_subscription_counts_as_on_its_way() -> None:
    fill_with_shares(5)
    Subscription.objects.update(since=timezone.now() - timedelta(minutes=1))
    Subscription.objects.filter(connection=2).update(connection=1, leaving_connection=2)

    assert count_placed() == {
        1: PlacedCounts(2, 1),
        3: PlacedCounts(1, 0),
        4: PlacedCounts(1, 0),
        5: PlacedCounts(1, 0),
    }


def test_the_age_of_a_report_is_the_time_since_it_was_written() -> None:
    report_all({1: 0, 2: 0})
    board = quote_board.connect()

    ages = [one.age_seconds for one in read_reports(board)]

    assert len(ages) == 2
    assert all(0 <= age < 3 for age in ages)
    wait_until(
        lambda: all(one.age_seconds >= before + 0.2 for one, before in zip(read_reports(board), ages, strict=True)),
        message="the reports grow older",
    )
