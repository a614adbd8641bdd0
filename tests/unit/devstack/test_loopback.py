"""Proxy settings of processes on loopback."""

from devstack.loopback import without_proxy


def test_loopback_is_excluded_from_any_proxy() -> None:
    assert without_proxy({"HTTP_PROXY": "http://proxy:3128"}) == {
        "HTTP_PROXY": "http://proxy:3128",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def test_existing_proxy_exceptions_are_preserved() -> None:
    assert without_proxy({"no_proxy": "intranet"})["NO_PROXY"] == "intranet,127.0.0.1,localhost"
