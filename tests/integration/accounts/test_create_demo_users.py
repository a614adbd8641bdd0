import io

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User

pytestmark = pytest.mark.django_db


def test_two_traders_and_an_operator_are_created_with_the_password_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEMO_PASSWORD", "a first password")

    call_command("create_demo_users", stdout=io.StringIO())

    users = {user.username: user for user in User.objects.all()}
    assert {name: (user.is_staff, user.is_superuser) for name, user in users.items()} == {
        "trader1": (False, False),
        "trader2": (False, False),
        "staff": (True, True),
    }
    assert all(user.check_password("a first password") for user in users.values())


def test_a_second_run_creates_no_user_and_sets_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_PASSWORD", "a first password")
    call_command("create_demo_users", stdout=io.StringIO())
    User.objects.filter(username="trader1").update(is_active=False, email="trader1@example.com")
    monkeypatch.setenv("DEMO_PASSWORD", "a second password")

    call_command("create_demo_users", stdout=io.StringIO())

    trader = User.objects.get(username="trader1")
    assert User.objects.count() == 3
    assert trader.check_password("a second password")
    assert (trader.is_active, trader.email) == (True, "trader1@example.com")


def test_no_user_is_created_without_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEMO_PASSWORD", raising=False)

    with pytest.raises(CommandError, match="DEMO_PASSWORD is not set"):
        call_command("create_demo_users", stdout=io.StringIO())

    assert not User.objects.exists()
