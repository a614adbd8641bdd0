"""Imports in the admin: the difference of a file from the list, the dry run, and the acceptance of a difference."""

import base64
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from marketdata import services, tasks
from marketdata.models import IndexSpelling, Instrument, InstrumentImport
from tests import instrument_files as made
from tests.factories import make_user
from tests.instrument_files import changed, without

LIST = "/admin/marketdata/instrumentimport/"
NOW = datetime(2026, 2, 10, 2, 30, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(tmp_path: Path, settings: Settings) -> str:
    settings.MARKET_DATE = date(2026, 2, 10)
    settings.DHAN_INSTRUMENTS_URL = made.write_file(tmp_path / "list.csv", made.read_file())
    services.import_instruments(source=settings.DHAN_INSTRUMENTS_URL, now=NOW)
    return str(settings.DHAN_INSTRUMENTS_URL)


@pytest.fixture
def refused(source: str) -> InstrumentImport:
    made.write_file(Path(source), changed(made.read_file(), without(exchange="MCX")))
    return services.import_instruments(source=source, now=NOW)


def make_clerk(*codenames: str) -> User:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return clerk


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_clerk("view_instrumentimport", "accept_import"))
    return client


def take_arguments(redis_url: str, settings: Settings) -> dict[str, Any]:
    """Take the newest message of the default queue; return the keyword arguments of its task."""
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    with redis.Redis.from_url(redis_url) as board:
        message = board.lpop(f"{prefix}default")
    assert isinstance(message, bytes)
    envelope = json.loads(message)
    assert envelope["headers"]["task"] == "marketdata.tasks.import_instruments"
    _, arguments, _ = json.loads(base64.b64decode(envelope["body"]))
    return dict(arguments)


def test_the_page_of_a_refused_import_shows_the_difference_in_numbers(
    operator: Client, refused: InstrumentImport
) -> None:
    page = operator.get(f"{LIST}{refused.pk}/change/").content.decode()

    assert "MCX MCX_COMM OPTFUT fell from 12 to 0 rows." in page
    assert "<td>MCX</td><td>MCX_COMM</td><td>OPTFUT</td><td>12</td><td>0</td><td>0</td>" in page
    assert "<td>NSE</td><td>NSE_EQ</td><td>EQUITY</td><td>26</td><td>26</td><td>0</td>" in page
    assert "Accept this difference and import" in page


def test_staff_accept_the_difference_and_the_list_follows(
    operator: Client, refused: InstrumentImport, redis_url: str, settings: Settings
) -> None:
    answer = operator.post(f"{LIST}{refused.pk}/change/", {"_accept": "1"})

    assert answer.status_code == 302
    arguments = take_arguments(redis_url, settings)
    assert arguments == {"source": refused.source, "accepts": refused.pk, "actor": "clerk"}
    tasks.import_instruments(**arguments)
    assert not Instrument.objects.filter(is_listed=True, exchange="MCX").exists()
    accepted = InstrumentImport.objects.latest("pk")
    assert (accepted.refusal, accepted.accepts, accepted.actor) == ("", refused, "clerk")


def test_staff_start_a_dry_run_that_shows_the_difference(
    operator: Client, refused: InstrumentImport, redis_url: str, settings: Settings
) -> None:
    assert "Dry run" in operator.get(LIST).content.decode()
    assert operator.post(LIST, {"_dry_run": "1"}).status_code == 302

    arguments = take_arguments(redis_url, settings)
    tasks.import_instruments(**arguments)

    record = InstrumentImport.objects.latest("pk")
    assert (record.is_dry_run, record.findings) == (True, refused.findings)
    assert "dry run, would be refused" in operator.get(LIST).content.decode()
    assert Instrument.objects.filter(is_listed=True, exchange="MCX").count() == 18


def test_without_the_permission_nothing_can_be_started(client: Client, refused: InstrumentImport) -> None:
    client.force_login(make_clerk("view_instrumentimport"))

    assert "Accept this difference" not in client.get(f"{LIST}{refused.pk}/change/").content.decode()
    assert "Dry run" not in client.get(LIST).content.decode()
    assert client.post(f"{LIST}{refused.pk}/change/", {"_accept": "1"}).status_code == 403
    assert client.post(LIST, {"_dry_run": "1"}).status_code == 403


def test_staff_edit_spellings_of_indices_in_upper_case(client: Client) -> None:
    client.force_login(make_clerk("add_indexspelling", "view_indexspelling"))

    client.post("/admin/marketdata/indexspelling/add/", {"spelling": "bse  focused it", "symbol": "focit"})

    assert IndexSpelling.objects.filter(spelling="BSE FOCUSED IT", symbol="FOCIT").exists()
