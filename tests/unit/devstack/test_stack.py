"""The decisions of `devstack run` that need no running process."""

import signal

import pytest

from devstack.address import Address, choose_address
from devstack.children import STOP_TIMEOUT_SECONDS
from devstack.errors import DevstackError
from devstack.supervisor import describe_exit


def test_the_terminal_is_on_port_8000_of_loopback_by_default() -> None:
    assert choose_address({}).url == "http://127.0.0.1:8000"
    assert choose_address({"PORT": "8080", "HOST": "192.0.2.1"}).url == "http://192.0.2.1:8080"


def test_a_server_open_to_all_is_shown_at_loopback() -> None:
    assert choose_address({"HOST": "0.0.0.0"}) == Address(host="0.0.0.0", port=8_000)  # noqa: S104  the case in question
    assert choose_address({"HOST": "0.0.0.0"}).url == "http://127.0.0.1:8000"  # noqa: S104


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_an_invalid_port_is_refused_by_name(port: str) -> None:
    with pytest.raises(DevstackError, match=f"PORT={port}"):
        choose_address({"PORT": port})


def test_all_stages_together_stop_within_ten_seconds() -> None:
    assert sum(STOP_TIMEOUT_SECONDS.values()) < 9.5


def test_an_exit_is_described_by_code_or_signal() -> None:
    assert describe_exit(3) == "exited with code 3"
    assert describe_exit(-signal.SIGKILL) == "was killed by SIGKILL"
