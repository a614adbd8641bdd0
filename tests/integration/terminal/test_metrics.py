"""/metrics against real servers: permissions, content, and a time limit when a server hangs."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis.asyncio
from django.conf import settings
from django.contrib.auth.models import Permission
from django.test import Client
from knox.models import get_token_model
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.models import User
from marketdata import rest_board
from marketdata.domain.feed import ConnectionReport
from marketdata.domain.feed_statistics import FeedStatistics
from marketdata.quote_board import OwnerBoard
from marketdata.streaming.hub import QuoteHub
from subscriptions.models import FeedConnection
from terminal.process_metrics import HubCollector
from tests.connection_factories import make_report

REMOTE_ADDRESS = "203.0.113.9"


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def make_staff(*, may_operate: bool) -> User:
    user = User.objects.create_user("olga", is_staff=True)
    if may_operate:
        user.user_permissions.add(Permission.objects.get(codename="operate", content_type__app_label="subscriptions"))
    return user


async def report_to_board(report: ConnectionReport, *, prefix: str) -> None:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        await OwnerBoard(client, prefix).report(report)


@pytest.mark.django_db(transaction=True)
def test_a_scraper_on_this_machine_reads_the_statistics_of_the_feed(own_board: str) -> None:
    FeedConnection.objects.filter(number=2).update(state="live")
    asyncio.run(report_to_board(make_report(statistics=FeedStatistics(packets=12_345)), prefix=own_board))

    answer = Client().get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})

    lines = lines_of(answer.content.decode())
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert 'terminal_feed_packets_total{connection="1"} 12345.0' in lines
    assert 'terminal_feed_state{connection="1",state="live"} 1.0' in lines
    assert 'terminal_feed_state{connection="2",state="wanted"} 1.0' in lines
    assert 'terminal_feed_capacity{connection="5"} 5000.0' in lines
    assert 'terminal_queue_tasks{queue="feed"} 0.0' in lines


@pytest.mark.django_db(transaction=True)
def test_odd_items_of_every_process_are_in_the_scrape(own_board: str) -> None:
    rest_board.connect().count_odd_items("quote", {"null": 2, "text": 1})
    rest_board.connect().count_odd_items("quote", {"null": 1})

    lines = lines_of(Client().get("/metrics").content.decode())

    assert 'terminal_rest_odd_items_total{answer="quote",kind="null"} 3.0' in lines
    assert 'terminal_rest_odd_items_total{answer="quote",kind="text"} 1.0' in lines


@pytest.mark.django_db(transaction=True)
def test_a_local_scrape_runs_no_query_without_a_timeout(
    own_board: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):  # On the connection of this thread; probes open other connections.
        assert Client().get("/metrics").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-For": "127.0.0.1"}])
def test_a_remote_anonymous_request_is_refused_with_a_json_problem(headers: dict[str, str]) -> None:
    answer = Client(REMOTE_ADDR=REMOTE_ADDRESS).get("/metrics", headers=headers)

    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    assert answer.json()["code"] == "permission_denied"


@pytest.mark.django_db
def test_a_remote_request_through_a_local_proxy_is_refused(settings: Settings) -> None:
    assert Client().get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403

    settings.NUM_PROXIES = 1
    assert Client().get("/metrics").status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("may_operate", "status"), [(True, 200), (False, 403)])
def test_staff_need_the_operate_permission(own_board: str, may_operate: bool, status: int) -> None:
    _, token = get_token_model().objects.create(user=make_staff(may_operate=may_operate))
    client = APIClient(REMOTE_ADDR=REMOTE_ADDRESS)

    answer = client.get("/metrics", headers={"Authorization": f"Token {token}"})

    assert answer.status_code == status


@pytest.mark.django_db(transaction=True)
def test_a_trader_is_refused() -> None:
    browser = Client(REMOTE_ADDR=REMOTE_ADDRESS)
    browser.force_login(User.objects.create_user("asha"))

    assert browser.get("/metrics").status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_hangs_removes_its_metrics_only(settings: Settings) -> None:
    with silent_server() as port:
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        lines = lines_of(Client().get("/metrics").content.decode())

    assert 'terminal_up{server="redis"} 0.0' in lines
    assert 'terminal_feed_capacity{connection="1"} 5000.0' in lines


@pytest.mark.django_db(transaction=True)
def test_requests_are_counted_by_route_and_not_by_path(own_board: str) -> None:
    client = Client()
    client.get("/api/v2/subscriptions/RELIANCE")
    client.get("/nowhere/secret")
    client.generic("BREW", "/health")

    lines = lines_of(client.get("/metrics").content.decode())

    def count(labels: str) -> list[str]:
        return [line for line in lines if line.startswith(f"terminal_web_requests_total{{{labels}}}")]

    assert count('method="GET",route="api/v2/subscriptions/<str:token>",status="401"')
    assert count('method="GET",route="none",status="404"')
    assert count('method="other",route="health",status="405"')
    assert not [line for line in lines if "secret" in line or "BREW" in line]


@pytest.mark.asyncio
async def test_browsers_and_their_unacknowledged_frames_are_counted(own_board: str) -> None:
    hub = QuoteHub()
    collector = HubCollector(hub)

    client = await hub.add_client()
    counted = [sample.value for family in collector.collect() for sample in family.samples]
    hub.remove_client(client)
    await hub.aclose()

    assert (counted[0], counted[2]) == (1.0, 0.0)
    assert counted[1] > 1
    assert next(iter(collector.collect())).samples[0].value == 0.0


@contextmanager
def silent_server() -> Iterator[int]:
    """Accept connections and send nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
