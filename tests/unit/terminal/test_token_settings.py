"""Contradictory settings of the account stop the start; the error names the setting and quotes no secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ACCOUNT = ("DHAN_CLIENT_ID", "DHAN_ACCESS_TOKEN", "DHAN_PIN", "DHAN_TOTP_SECRET", "TOKEN_KEYS")
REPOSITORY = Path(__file__).resolve().parents[3]
SECRET = "QUITE-A-SECRET"


def start_with(**variables: str) -> "subprocess.CompletedProcess[str]":
    """Load the settings in a separate process, with only these variables of the account."""
    environment = {name: value for name, value in os.environ.items() if name not in ACCOUNT}
    return subprocess.run(
        [sys.executable, "-c", "import terminal.settings"],
        env=environment | variables,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"DHAN_CLIENT_ID": "1"}, "DHAN_CLIENT_ID and DHAN_ACCESS_TOKEN go together"),
        ({"DHAN_ACCESS_TOKEN": SECRET}, "set DHAN_CLIENT_ID too"),
        ({"DHAN_CLIENT_ID": "1", "DHAN_PIN": SECRET}, "DHAN_PIN and DHAN_TOTP_SECRET go together"),
        ({"DHAN_CLIENT_ID": "1", "DHAN_PIN": "1", "DHAN_TOTP_SECRET": SECRET}, "DHAN_TOTP_SECRET must be the base32"),
        ({"TOKEN_KEYS": SECRET}, "TOKEN_KEYS: key 1 is no Fernet key"),
    ],
)
def test_contradictory_settings_stop_the_start_and_are_named(variables: dict[str, str], message: str) -> None:
    started = start_with(**variables)

    assert started.returncode == 1
    assert message in started.stderr
    assert SECRET not in started.stderr


def test_a_pin_and_a_totp_secret_replace_the_token() -> None:
    assert start_with(DHAN_CLIENT_ID="1", DHAN_PIN="1", DHAN_TOTP_SECRET="jbsw y3dp " * 4).returncode == 0
