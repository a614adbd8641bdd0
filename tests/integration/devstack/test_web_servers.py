"""The socket that several web processes share."""

import socket

import pytest

from devstack.address import Address
from devstack.errors import DevstackError
from devstack.ports import choose_port
from devstack.web_servers import listen, web_servers


def test_accepted_sockets_send_small_frames_at_once() -> None:
    address = Address("127.0.0.1", choose_port())

    with listen(address) as listener, socket.create_connection((address.host, address.port)):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.parametrize("host", ["localhost", "0.0.0.0"])  # noqa: S104  a host that users choose
def test_hosts_are_resolved_as_a_web_server_does(host: str) -> None:
    port = choose_port()

    with listen(Address(host, port)), socket.create_connection(("127.0.0.1", port)):
        pass


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(DevstackError, match=r"port 8000 of 192\.0\.2\.1"):
        listen(Address("192.0.2.1", 8_000))


def test_one_process_opens_its_own_socket() -> None:
    address = Address("127.0.0.1", choose_port())

    with web_servers(address, 1) as web:
        assert (web.count, web.listener) == (1, None)
