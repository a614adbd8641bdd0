"""The proxy settings of processes that connect to one another over loopback."""

from collections.abc import Mapping

LOOPBACK = "127.0.0.1,localhost"


def without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` with loopback excluded from any proxy: a proxy on another host cannot reach our simulator."""
    spared = environ.get("NO_PROXY") or environ.get("no_proxy")
    value = f"{spared},{LOOPBACK}" if spared else LOOPBACK
    return {**environ, "NO_PROXY": value, "no_proxy": value}
