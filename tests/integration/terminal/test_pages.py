"""Pages that Django renders: login, logout and the terminal's page."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from tests.factories import PASSWORD, make_index, make_user

pytestmark = pytest.mark.django_db


def boot_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="boot" type="application/json">(.*?)</script>', page)
    assert found is not None
    boot: dict[str, Any] = json.loads(found[1])
    return boot


def test_the_terminal_page_redirects_to_the_login(client: Client) -> None:
    answer = client.get("/")

    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/")


def test_a_trader_can_log_in_open_the_terminal_and_log_out(client: Client) -> None:
    make_user("trader1")

    answer = client.post("/login/", {"username": "trader1", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert b"Search for an instrument to begin" in client.get("/").content
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("is_simulated", [True, False])
def test_a_page_states_whether_its_prices_are_simulated(client: Client, settings: Any, is_simulated: bool) -> None:
    settings.IS_SIMULATED = is_simulated
    client.force_login(make_user("trader1"))

    assert (b">Simulated</span>" in client.get("/").content) is is_simulated


def test_a_wrong_password_shows_an_error_and_keeps_the_name(client: Client) -> None:
    make_user("trader1")

    page = client.post("/login/", {"username": "trader1", "password": "wrong"}).content.decode()

    assert "Please enter a correct username and password" in page
    assert 'value="trader1"' in page


def test_a_login_never_redirects_to_another_site(client: Client) -> None:
    make_user("trader1")

    answer = client.post("/login/", {"username": "trader1", "password": PASSWORD, "next": "https://evil.example/"})

    assert answer["Location"] == "/"


def test_the_index_strip_shows_the_listed_indices(client: Client, settings: Any) -> None:
    settings.MARKET_DATE = None
    nifty = make_index("NIFTY")
    client.force_login(make_user("trader1"))

    boot = boot_of(client.get("/").content.decode())

    assert boot["indices"] == [{"symbol": "NIFTY", "instrument_id": nifty.pk}]
    assert boot["login_url"] == "/login/"
    assert boot["username"] == "trader1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", boot["today"])


def test_the_page_of_one_chain_has_no_list(client: Client) -> None:
    client.force_login(make_user("trader1"))

    alone = client.get("/chain/BSE%3AM%26M/2026-12-29").content.decode()

    assert '<section class="side" id="side" aria-label="Search and lists" hidden>' in alone
    assert '<section class="side" id="side" aria-label="Search and lists">' in client.get("/").content.decode()


def test_the_scanner_needs_a_login_and_is_linked_from_the_terminal(client: Client) -> None:
    assert client.get("/scanner/")["Location"] == "/login/?next=/scanner/"
    client.force_login(make_user("trader1"))

    assert 'href="/scanner/"' in client.get("/").content.decode()
    assert boot_of(client.get("/scanner/").content.decode()) == {"terminal_url": "/", "login_url": "/login/"}


@pytest.mark.parametrize("path", ["/", "/scanner/", "/login/"])
def test_pages_contain_no_inline_scripts_or_styles(client: Client, path: str) -> None:
    if path != "/login/":
        client.force_login(make_user("trader1"))

    page = client.get(path).content.decode()

    assert not re.findall(r"<script(?![^>]*(?:\bsrc=|application/json))", page)
    assert not re.findall(r"<style|\sstyle=|\son\w+=", page)
