"""The address of the web server, and the URL of the terminal for a browser on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass

from devstack.errors import DevstackError
from devstack.ports import is_free


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL for a browser on this machine; a server on all interfaces is reached at loopback."""
        return f"http://{'127.0.0.1' if self.host in {'0.0.0.0', '::'} else self.host}:{self.port}"  # noqa: S104


def choose_address(environ: Mapping[str, str]) -> Address:
    """Return the address from HOST and PORT. Raises DevstackError if PORT is not a port number."""
    port = environ.get("PORT") or "8000"
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise DevstackError(f"PORT={port} is not a port number.")
    return Address(host=environ.get("HOST") or "127.0.0.1", port=int(port))


def check_is_free(address: Address) -> None:
    if not is_free(address.port, host=address.host):
        raise DevstackError(
            f"Port {address.port} of {address.host} is in use; choose another with PORT, for instance "
            f"`make run PORT={address.port + 1}`."
        )
