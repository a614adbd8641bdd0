"""Preload rules in the admin: validation, and a dry run before saving."""

import pytest
from django.core.checks import CheckMessage, run_checks
from django.test import Client
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from pytest_django import Settings

from accounts.models import User
from subscriptions import selectors
from subscriptions.models import Claim, PreloadRule
from tests.factories import Listing

ADD = "/admin/subscriptions/preloadrule/add/"
NIFTY_WEEKLY = {
    "profile": "mine",
    "position": 1,
    "exchange_segment": 2,
    "underlying_symbol": "NIFTY",
    "weekly": 3,
    "monthly": 1,
    "quarterly": 0,
    "strikes": 21,
    "futures": 0,
    "is_active": "on",
}


@pytest.fixture
def client_of_staff(listing: Listing) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator", password="a long password"))
    return client


def test_a_dry_run_of_a_new_rule_shows_its_targets_and_saves_nothing(client_of_staff: Client) -> None:
    page = client_of_staff.post(ADD, {**NIFTY_WEEKLY, "_preview": "1"})

    assert page.status_code == 200
    text = page.content.decode()
    assert "84 legs and futures" in text
    assert "NIFTY 17 Feb 2026" in text
    assert "NIFTY 24 Feb 2026" in text
    assert "3 weekly expiries asked for, 1 listed" in text
    assert not PreloadRule.objects.filter(profile="mine").exists()
    assert not Claim.objects.exists()


def test_a_dry_run_of_a_saved_rule_shows_its_futures(client_of_staff: Client) -> None:
    rule = PreloadRule.objects.get(profile="lean", underlying_symbol="CRUDEOIL")
    body = {**NIFTY_WEEKLY, "profile": "lean", "exchange_segment": 5, "underlying_symbol": "CRUDEOIL", "weekly": 0}

    page = client_of_staff.post(
        f"/admin/subscriptions/preloadrule/{rule.pk}/change/", {**body, "strikes": 51, "futures": 2, "_preview": "1"}
    )

    text = page.content.decode()
    assert "CRUDEOIL_19MAR2026_FUT" in text
    assert "51 strikes asked for, 41 listed" in text
    rule.refresh_from_db()
    assert rule.strikes == 21


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"strikes": 0}, "enter the number of strikes of each"),
        ({"weekly": 0, "monthly": 0}, "no weekly, monthly or quarterly expiries"),
        ({"weekly": 0, "monthly": 0, "strikes": 0}, "This rule takes nothing"),
        ({"underlying_symbol": "NOWHERE"}, "No options or futures on NOWHERE are listed in NSE_FNO"),
        ({"exchange_segment": 8}, "No options or futures on NIFTY are listed in BSE_FNO"),
        ({"profile": "lean"}, "already exists"),
    ],
)
def test_an_invalid_rule_is_refused_with_a_message(
    client_of_staff: Client, changes: dict[str, object], complaint: str
) -> None:
    page = client_of_staff.post(ADD, {**NIFTY_WEEKLY, **changes})

    assert complaint in page.content.decode()
    assert not PreloadRule.objects.filter(profile="mine").exists()


def test_a_valid_rule_is_saved(client_of_staff: Client) -> None:
    assert client_of_staff.post(ADD, {**NIFTY_WEEKLY, "underlying_symbol": "nifty 50"}).status_code == 302

    assert PreloadRule.objects.get(profile="mine").underlying_symbol == "NIFTY"


def run_database_checks() -> list[CheckMessage]:
    found = run_checks(databases=["default"], tags=["database"])
    return [one for one in found if str(one.id).startswith("subscriptions.")]


def test_the_system_check_warns_of_a_profile_without_rules(db: None, settings: Settings) -> None:
    settings.EOD_SCOPE = "closed_segments"
    assert run_database_checks() == []

    settings.PRELOAD_PROFILE = "leen"

    (warning,) = run_database_checks()
    assert warning.id == "subscriptions.W001"
    assert warning.hint == "Profiles with rules: full, lean."


def test_the_system_check_warns_of_an_end_of_day_before_the_end_of_a_session(
    listing: Listing, settings: Settings
) -> None:
    (warning,) = run_database_checks()
    assert warning.id == "subscriptions.W002"
    assert "at 15:30 IST cuts sessions short" in warning.msg
    assert "MCX_COMM trades until 23:55" in warning.msg

    late = CrontabSchedule.objects.create(hour="23", minute="59", timezone="Asia/Kolkata")
    PeriodicTask.objects.filter(task="watchlists.tasks.end_of_day").update(crontab=late)
    assert run_database_checks() == []


def test_the_full_profile_has_the_specified_rules(db: None) -> None:
    rules = PreloadRule.objects.filter(profile="full").order_by("position")

    numbers = rules.values_list("underlying_symbol", "weekly", "monthly", "quarterly", "strikes", "futures")
    assert list(numbers) == [
        ("NIFTY", 8, 0, 4, 101, 0),
        ("BANKNIFTY", 0, 1, 4, 101, 0),
        ("SENSEX", 4, 1, 0, 101, 0),
        ("FINNIFTY", 0, 1, 3, 101, 0),
        ("MIDCPNIFTY", 0, 1, 3, 101, 0),
        ("BANKEX", 0, 1, 3, 101, 0),
        ("GOLD", 0, 0, 0, 0, 1),
        ("SILVER", 0, 0, 0, 0, 1),
        ("COPPER", 0, 0, 0, 0, 1),
        ("CRUDEOIL", 0, 2, 0, 101, 1),
        ("NATURALGAS", 0, 2, 0, 101, 1),
    ]
    most = sum(
        (weekly + monthly + quarterly) * strikes * 2 + futures
        for _, weekly, monthly, quarterly, strikes, futures in numbers
    )
    assert most == 7_681


def test_rules_of_the_full_profile_apply_when_it_is_chosen(listing: Listing, settings: Settings) -> None:
    settings.PRELOAD_PROFILE = "full"

    assert [str(one) for one in selectors.plan_preload().wanted][:2] == [
        "NIFTY 17 Feb 2026 x101",
        "CRUDEOIL 17 Feb 2026 x101",
    ]
