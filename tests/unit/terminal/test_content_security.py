"""The Content-Security-Policy of each kind of page."""

from terminal.content_security import policy_for


def directives(path: str) -> dict[str, str]:
    return dict(one.split(" ", 1) for one in policy_for(path, host="terminal.example:8000").split("; "))


def test_a_page_of_a_trader_loads_only_files_of_this_server() -> None:
    assert directives("/settings") == {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self' ws://terminal.example:8000 wss://terminal.example:8000",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "object-src": "'none'",
    }


def test_markup_of_frameworks_may_have_inline_styles_but_no_inline_scripts() -> None:
    pages = directives("/")

    for path in ("/admin/", "/admin/subscriptions/claim/", "/api/v2/"):
        assert directives(path) == {**pages, "style-src": "'self' 'unsafe-inline'"}
    assert directives("/administration") == pages


def test_without_a_name_of_this_server_no_socket_is_allowed() -> None:
    assert "connect-src 'self';" in policy_for("/")
