"""The version is defined once and shown to staff, on the command line and in the package's metadata."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from terminal import __version__
from tests.factories import make_user

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_superuser("staff", password="unused")


def test_the_project_file_takes_the_version_from_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "terminal.__version__"}


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]

    assert headings[0].split()[1] == __version__


def test_the_command_line_prints_the_version_without_settings() -> None:
    printed = subprocess.run(
        [sys.executable, "manage.py", "--version"], cwd=ROOT, env={}, capture_output=True, text=True, check=True
    )

    assert printed.stdout == f"Broking Terminal {__version__}\n"


def test_the_api_root_lists_the_endpoints_and_shows_staff_the_version(staff: User) -> None:
    client = APIClient()
    client.force_authenticate(make_user("trader1"))
    for_trader = client.get("/api/v2/").json()
    client.force_authenticate(staff)
    for_staff = client.get("/api/v2/").json()

    assert for_trader["endpoints"]["option-chain"] == "http://testserver/api/v2/option-chain/{symbol}"
    assert "version" not in for_trader
    assert not [url for url in for_trader["endpoints"].values() if "/admin/" in url]
    assert for_staff["version"] == __version__
    assert for_staff["endpoints"]["ws-status"] == "http://testserver/api/v2/admin/ws-status"


@pytest.mark.django_db
def test_an_anonymous_caller_sees_neither_endpoints_nor_version() -> None:
    answer = APIClient().get("/api/v2/")

    assert answer.status_code == 401
    assert __version__ not in answer.content.decode()


def test_the_admin_shows_the_version_to_staff_and_its_login_page_does_not(staff: User, client: Client) -> None:
    anonymous = client.get("/admin/login/").content.decode()
    client.force_login(staff)

    assert __version__ not in anonymous
    assert f"Version {__version__}" in client.get("/admin/").content.decode()
