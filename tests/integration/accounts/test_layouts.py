"""Named layouts of the chain through the API, and on the page of the terminal."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connections, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts import selectors
from accounts.domain.layouts import COLUMNS, MAX_LAYOUT_NAME, MAX_LAYOUTS, Layout
from accounts.models import ColumnLayout, User
from accounts.services import TooManyLayouts, create_layout
from tests.factories import make_user

pytestmark = pytest.mark.django_db

LAYOUTS = "/api/v2/layouts"
CHANGE = "/api/v2/layouts/change"
RENAME = "/api/v2/layouts/rename"
DELETE = "/api/v2/layouts/delete"
SCALP = {"name": "Scalp", "columns": ["volume", "bid", "ltp", "ask"]}
GREEKS = {"name": "Theta", "columns": ["theta", "ltp"]}


@pytest.fixture
def asha(db: None, own_board: str) -> User:
    return make_user("asha")


@pytest.fixture
def client_of_asha(asha: User) -> APIClient:
    return client_of(asha)


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def read_layouts(client: APIClient) -> list[dict[str, object]]:
    found: list[dict[str, object]] = client.get(LAYOUTS).json()["layouts"]
    return found


def test_a_new_trader_has_no_layout_and_reads_the_columns_that_there_are(client_of_asha: APIClient) -> None:
    assert client_of_asha.get(LAYOUTS).json() == {"layouts": [], "columns": list(COLUMNS), "most": MAX_LAYOUTS}


def test_a_layout_is_created_changed_renamed_and_deleted(client_of_asha: APIClient) -> None:
    created = client_of_asha.post(LAYOUTS, SCALP)

    assert (created.status_code, created.json()["layouts"]) == (201, [SCALP])
    client_of_asha.post(LAYOUTS, GREEKS)

    changed = client_of_asha.post(CHANGE, {"name": "Scalp", "columns": ["ltp", "oi"]})
    assert (changed.status_code, changed.json()["layouts"][0]["columns"]) == (200, ["ltp", "oi"])

    renamed = client_of_asha.post(RENAME, {"layout": "Scalp", "name": "  Fast "})
    assert (renamed.status_code, [one["name"] for one in renamed.json()["layouts"]]) == (200, ["Fast", "Theta"])

    deleted = client_of_asha.post(DELETE, {"layout": "Fast"})
    assert (deleted.status_code, deleted.json()["layouts"]) == (200, [GREEKS])
    assert read_layouts(client_of_asha) == [GREEKS]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"columns": ["ltp", "premium"]}, "columns: There is no column 'premium'."),
        ({"columns": ["ltp", "oi", "ltp"]}, "columns: The column 'ltp' is there twice."),
        ({"columns": []}, "columns: A layout needs at least one column."),
        ({"columns": "ltp"}, "columns: Send a list of names of columns."),
        ({"columns": [["ltp"]]}, "columns: Send a list of names of columns."),
        ({"name": "x" * (MAX_LAYOUT_NAME + 1)}, "name: Ensure this field has no more than 24 characters."),
        ({"name": "  "}, "name: This field may not be blank."),
    ],
)
@pytest.mark.parametrize("path", [LAYOUTS, CHANGE])
def test_a_wrong_layout_is_refused_with_a_sentence(
    client_of_asha: APIClient, path: str, change: dict[str, object], sentence: str
) -> None:
    answer = client_of_asha.post(path, {**SCALP, **change})

    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (400, "invalid", sentence)
    assert not ColumnLayout.objects.exists()


def test_a_name_is_unique_for_the_trader_and_must_exist_to_be_changed(client_of_asha: APIClient) -> None:
    client_of_vikram = client_of(make_user("vikram"))
    for client in (client_of_asha, client_of_vikram):
        assert client.post(LAYOUTS, SCALP).status_code == 201
    client_of_asha.post(LAYOUTS, GREEKS)

    for path, body, expected in [
        (LAYOUTS, SCALP, (409, "duplicate_layout")),
        (RENAME, {"layout": "Theta", "name": "Scalp"}, (409, "duplicate_layout")),
        (RENAME, {"layout": "Nope", "name": "Other"}, (404, "unknown_layout")),
        (CHANGE, {**SCALP, "name": "Nope"}, (404, "unknown_layout")),
        (DELETE, {"layout": "Nope"}, (404, "unknown_layout")),
        (DELETE, {"layout": "Scalp", "user_id": "vikram"}, (404, "not_found")),
    ]:
        answer = client_of_asha.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == expected

    assert client_of_asha.post(RENAME, {"layout": "Scalp", "name": "Scalp"}).status_code == 200
    client_of_asha.post(DELETE, {"layout": "Scalp"})
    assert read_layouts(client_of_vikram) == [SCALP]


def test_a_trader_has_a_limited_number_of_layouts(client_of_asha: APIClient) -> None:
    for number in range(MAX_LAYOUTS):
        client_of_asha.post(LAYOUTS, {**SCALP, "name": f"Layout {number}"})

    answer = client_of_asha.post(LAYOUTS, SCALP)

    assert (answer.status_code, answer.json()["code"], answer.json()["most"]) == (409, "too_many_layouts", MAX_LAYOUTS)
    assert len(read_layouts(client_of_asha)) == MAX_LAYOUTS


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_do_not_exceed_the_limit(own_board: str) -> None:
    trader = make_user("asha")

    def create(number: int) -> bool:
        try:
            create_layout(user_id=trader.pk, layout=Layout(f"Layout {number}", ("ltp",)))
        except TooManyLayouts:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(max_workers=8) as pool:
        created = list(pool.map(create, range(MAX_LAYOUTS + 6)))

    assert created.count(True) == ColumnLayout.objects.count() == MAX_LAYOUTS


def test_a_stored_column_that_no_longer_exists_is_left_out(
    client_of_asha: APIClient, asha: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ColumnLayout.objects.create(user=asha, name="Old", columns=["rho", "ltp", "oi"])
    ColumnLayout.objects.create(user=asha, name="Gone", columns=["rho"])

    with django_assert_num_queries(1):
        layouts = selectors.list_layouts(user_id=asha.pk)

    assert layouts == [Layout("Old", ("ltp", "oi")), Layout("Gone", ("ltp",))]
    assert [one["columns"] for one in read_layouts(client_of_asha)] == [["ltp", "oi"], ["ltp"]]


def test_the_database_refuses_a_layout_without_columns_and_a_second_one_of_the_name(asha: User) -> None:
    ColumnLayout.objects.create(user=asha, name="Scalp", columns=["ltp"])

    for name, columns in (("Empty", []), ("Scalp", ["oi"])):
        with pytest.raises(IntegrityError), transaction.atomic():
            ColumnLayout.objects.create(user=asha, name=name, columns=columns)


def test_the_page_of_the_terminal_has_the_layouts(client_of_asha: APIClient, asha: User) -> None:
    client_of_asha.post(LAYOUTS, SCALP)
    browser = Client()
    browser.force_login(asha)

    boot = re.search(r'<script id="boot" type="application/json">(.*?)</script>', browser.get("/").content.decode())

    assert boot is not None
    assert json.loads(boot[1])["layouts"] == [SCALP]
    assert json.loads(boot[1])["most_layouts"] == MAX_LAYOUTS
