"""The status page: a trader's own limits, the room on the feed, the hours of the exchanges, what works."""

import asyncio
import re
from datetime import UTC, datetime

import pytest
import redis.asyncio
from django.conf import settings
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from accounts.services import make_token
from marketdata import quote_board
from marketdata.domain.sessions import SessionBook
from subscriptions.selectors import list_quota_claims, read_quota_use
from terminal.health_parts import Part, Status
from terminal.status_page import describe_parts, list_market_hours
from tests.connection_factories import make_report
from tests.factories import add_to_watchlist, make_listing, make_user
from watchlists.models import EntryKind

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]


@pytest.fixture
def asha(settings: Settings) -> User:
    settings.INSTRUMENT_QUOTA = 500
    return make_user("asha")


def report_all() -> None:
    async def write() -> None:
        async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
            board = quote_board.OwnerBoard(client, settings.REDIS_PREFIX)
            for number in range(1, 5):
                await board.report(make_report(number))

    asyncio.run(write())


def text_of(client: Client) -> str:
    answer = client.get("/status")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_a_trader_sees_what_uses_the_own_quota_and_nothing_of_others(client: Client, asha: User) -> None:
    make_listing()
    add_to_watchlist(asha, "RELIANCE", EntryKind.EQUITY)
    add_to_watchlist(make_user("vikram"), "TCS", EntryKind.EQUITY)
    make_token(user=asha, now=timezone.now())
    client.force_login(asha)

    text = text_of(client)

    assert "1 of 500, 499 left" in text
    assert "RELIANCE your watchlist 1 1 " in text
    assert "TCS" not in text
    assert "1 valid" in text
    assert "2 of 25,000" in text


def test_an_instrument_of_another_trader_is_listed_and_not_counted(asha: User) -> None:
    make_listing()
    add_to_watchlist(make_user("vikram"), "TCS", EntryKind.EQUITY)
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY)
    add_to_watchlist(asha, "RELIANCE", EntryKind.EQUITY)

    use = read_quota_use(user_id=asha.pk)

    assert (use.used, use.left) == (1, 499)
    claims = [(one.name, one.expiry, one.width, one.legs, one.counted) for one in list_quota_claims(user_id=asha.pk)]
    assert claims == [("RELIANCE", None, None, 1, 1), ("TCS", None, None, 1, 0)]


def test_only_connections_that_report_are_live(client: Client, asha: User) -> None:
    client.force_login(asha)
    before = text_of(client)
    report_all()

    assert "0 of 5 live" in before
    assert "4 of 5 live" in text_of(client)


def test_the_page_reads_at_most_eight_queries_beside_the_login(
    client: Client, asha: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_listing()
    add_to_watchlist(asha, "RELIANCE", EntryKind.EQUITY)
    client.force_login(asha)

    # The session, the user and the preferences are read for every page.
    with django_assert_max_num_queries(8 + 3):
        client.get("/status")


def test_the_page_shows_hours_of_now_and_of_the_next_session() -> None:
    # Ordinary hours of a calendar without rows: Friday, 6 February 2026, 16:00 IST.
    hours = {one.name: one for one in list_market_hours(SessionBook(), now=datetime(2026, 2, 6, 10, 30, tzinfo=UTC))}

    assert not hours["NSE shares"].is_open
    assert hours["NSE shares"].changes_at == datetime(2026, 2, 9, 3, 45, tzinfo=UTC)
    assert hours["MCX commodities"].is_open
    assert hours["MCX commodities"].changes_at == datetime(2026, 2, 6, 18, 25, tzinfo=UTC)


def test_a_part_that_fails_says_what_that_means() -> None:
    (part,) = describe_parts({"Live prices": Part(Status.FAILING, "not live: connection 2")})

    assert part.word == "does not work"
    assert part.sentence.startswith("Prices are missing or stand still.")
    assert part.reason == "not live: connection 2"


def test_the_page_refreshes_itself_no_faster_than_every_ten_seconds(client: Client, asha: User) -> None:
    client.force_login(asha)

    found = re.search(r'data-refresh="(\d+)"', client.get("/status").content.decode())

    assert found is not None
    assert int(found[1]) >= 10
