"""The settings page: preferences that another browser has too, own API tokens, the own password."""

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from knox.models import get_token_model
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts import selectors, services
from accounts.domain.preferences import UPDATE_RATES_HZ, Density, Preferences, PriceColors, Theme
from accounts.models import User, UserPreferences
from marketdata.streaming.outbox import RATES_HZ
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.django_db

CHOSEN = Preferences(Theme.DARK, PriceColors.GREEN_RED, Density.COMPACT, update_rate_hz=10, has_letter_keys=False)
FORM = {"theme": "dark", "price_colors": "green-red", "density": "compact", "update_rate_hz": "10"}
NEW_PASSWORD = "another long password"


@pytest.fixture
def asha() -> User:
    return make_user("asha")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def attributes_of(client: Client, path: str = "/") -> str:
    found = re.search(r"<html ([^>]*)>", client.get(path).content.decode())
    assert found is not None
    return found[1]


def test_the_rates_are_those_of_the_socket() -> None:
    assert tuple(UPDATE_RATES_HZ) == tuple(RATES_HZ)


def test_saved_preferences_are_on_every_page_of_another_browser(asha: User) -> None:
    answer = logged_in(asha).post("/settings", FORM)

    assert (answer.status_code, answer["Location"]) == (302, "/settings")
    assert selectors.get_preferences(user_id=asha.pk) == CHOSEN
    for path in ("/", "/settings", "/settings/password"):
        assert attributes_of(logged_in(asha), path) == (
            'lang="en" data-theme="dark" data-colors="green-red" data-density="compact" data-rate="10" data-keys="off"'
            " data-stored"
        )


def test_a_new_trader_and_a_page_without_a_trader_have_the_defaults(asha: User) -> None:
    defaults = (
        'lang="en" data-theme="auto" data-colors="blue-orange" data-density="comfortable" data-rate="4" data-keys="on"'
    )

    assert attributes_of(logged_in(asha)) == f"{defaults} data-stored"
    assert attributes_of(Client(), "/login/") == defaults


def test_the_form_shows_what_is_stored(asha: User) -> None:
    services.save_preferences(user_id=asha.pk, preferences=CHOSEN)

    page = logged_in(asha).get("/settings").content.decode()

    assert re.findall(r'<option value="([^"]+)" selected', page) == ["dark", "green-red", "compact", "10"]
    assert not re.search(r'name="has_letter_keys"[^>]*checked', page)


@pytest.mark.parametrize("wrong", [{"theme": "pink"}, {"update_rate_hz": "1000"}, {"density": ""}])
def test_a_value_that_is_not_offered_is_refused_and_changes_nothing(asha: User, wrong: dict[str, str]) -> None:
    answer = logged_in(asha).post("/settings", FORM | wrong)

    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert not UserPreferences.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"theme": "pink"}, {"price_colors": "x"}, {"density": "x"}, {"update_rate_hz": 1_000}]
)
def test_the_database_refuses_values_that_no_page_knows(asha: User, wrong: dict[str, object]) -> None:
    services.save_preferences(user_id=asha.pk, preferences=CHOSEN)

    with pytest.raises(IntegrityError), transaction.atomic():
        UserPreferences.objects.update(**wrong)


def test_the_button_of_the_top_bar_saves_the_theme_alone(asha: User) -> None:
    services.save_preferences(user_id=asha.pk, preferences=CHOSEN)
    browser = logged_in(asha)

    assert browser.post("/settings/theme", {"theme": "contrast"}).status_code == 204
    assert browser.post("/settings/theme", {"theme": "pink"}).status_code == 400

    saved = selectors.get_preferences(user_id=asha.pk)
    assert (saved.theme, saved.density) == (Theme.CONTRAST, Density.COMPACT)


def test_preferences_cost_a_page_one_query(asha: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    browser = logged_in(asha)

    # Session, user, preferences.
    with django_assert_num_queries(3):
        browser.get("/settings/password")


def test_a_token_is_shown_once_and_works(asha: User) -> None:
    browser = logged_in(asha)

    made = browser.post("/settings/tokens")

    found = re.search(r'id="new-token"[^>]*value="([0-9a-f]{64})"', made.content.decode())
    assert found is not None
    secret = found[1]
    assert "no-store" in made["Cache-Control"]
    listed = browser.get("/settings").content.decode()
    assert secret[:15] in listed
    assert secret not in listed
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    assert client.get("/api/v2/").status_code == 200


def test_a_revoked_token_is_refused_from_then_on(asha: User) -> None:
    token = services.make_token(user=asha, now=timezone.now())
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token.secret}")

    answer = logged_in(asha).post("/settings/tokens/revoke", {"prefix": token.secret[:15]}, follow=True)

    assert "is revoked" in answer.content.decode()
    assert client.get("/api/v2/").status_code == 401


def test_a_trader_sees_and_revokes_only_own_valid_tokens(asha: User) -> None:
    other = services.make_token(user=make_user("vikram"), now=timezone.now()).secret[:15]
    expired, _ = get_token_model().objects.create(user=asha, expiry=timedelta(seconds=-1))
    browser = logged_in(asha)

    page = browser.get("/settings").content.decode()
    answer = browser.post("/settings/tokens/revoke", {"prefix": other}, follow=True)

    assert "You have no valid token." in page
    assert expired.token_key not in page
    assert other not in page
    assert "had ended already" in answer.content.decode()
    assert get_token_model().objects.filter(token_key=other).exists()


def test_a_new_password_keeps_this_browser_and_logs_out_the_others(asha: User) -> None:
    browser, other = Client(), logged_in(asha)
    browser.login(username="asha", password=PASSWORD)
    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}

    answer = browser.post("/settings/password", form, follow=True)

    assert "all other browsers are logged out" in answer.content.decode()
    assert browser.get("/settings").status_code == 200
    assert other.get("/settings").status_code == 302
    assert Client().login(username="asha", password=NEW_PASSWORD)


def test_a_wrong_old_password_changes_nothing(asha: User) -> None:
    form = {"old_password": "wrong", "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}

    answer = logged_in(asha).post("/settings/password", form)

    assert "Your old password was entered incorrectly" in answer.content.decode()
    assert Client().login(username="asha", password=PASSWORD)
