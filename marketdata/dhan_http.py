"""One exchange with the broker's REST API: the request, the bounds of its response, and the errors.

Knows no path and no content. No error contains an access token, a PIN or a one-time password, and each is printable:
errors go to logs and to the database. Whatever the broker answers, `send` returns or raises one of these:

    DhanError
    ├── DhanUnreachable     no response, or one in an unknown form: retry later
    ├── RateLimited         over the rate limit of the account: retry after a second
    ├── LoginRefused        token or client id refused: log in again
    └── RequestRefused      any other refusal: a retry cannot succeed
"""

import json
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import httpx

from marketdata.dhan.rest_answers import MAX_TEXT, printable

# Chosen: ten times the answer for 1,000 quotes (about 1.2 MB).
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
MAX_ERROR_TEXT: Final = 200  # Chosen: a sentence; the column of a refusal has the same length.
# docs/dhan.md: errors come in two shapes. The numbers are those of the feed's disconnect packets.
RATE_CODES: Final = frozenset({"805", "DH-904"})
LOGIN_CODES: Final = frozenset({"806", "807", "808", "809", "810", "DH-901", "DH-902"})


class DhanError(Exception):
    """A request to the broker failed."""


class DhanUnreachable(DhanError):
    """No response, or one in an unknown form; `is_answered` if there was one."""

    def __init__(self, sentence: str, *, is_answered: bool = False) -> None:
        super().__init__(sentence)
        self.is_answered = is_answered


class RateLimited(DhanError):
    """The request was over the rate limit."""


class LoginRefused(DhanError):
    """The access token or client id is invalid, or the account has no data plan."""


class RequestRefused(DhanError):
    """The broker refused the request for another reason."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request; neither its repr nor an error contains `secrets` or the access token of `headers`."""

    method: str
    base_url: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] | None = field(default=None, repr=False)
    body: Mapping[str, Any] | None = None
    secrets: Sequence[str] = field(default=(), repr=False)

    def masked(self, text: str) -> str:
        """Return `text` without secrets: the broker may quote the request in its error."""
        for secret in (*self.secrets, self.headers.get("access-token", "")):
            text = text.replace(secret, "***") if secret else text
        return text


def send(request: Request, *, timeout: httpx.Timeout, seconds: float) -> tuple[int, dict[str, Any]]:
    """Return status and body of the response, a JSON object, whatever the status; `seconds` bounds the whole exchange.

    Raises DhanUnreachable, and LoginRefused for credentials that no header can carry.
    Errors have no cause: those of httpx contain the request and its secrets.
    """
    try:
        status, content = _exchange(request, timeout=timeout, ends_at=time.monotonic() + seconds)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DhanUnreachable(f"{request.path}: {type(error).__name__}") from None
    except UnicodeEncodeError:
        raise LoginRefused("the access token or the client id has a character that no header can carry") from None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):  # The second for thousands of brackets.
        found = None
    if isinstance(found, dict):
        return status, found
    raise DhanUnreachable(f"{request.path} answers {status} without a JSON object", is_answered=True)


def _exchange(request: Request, *, timeout: httpx.Timeout, ends_at: float) -> tuple[int, bytes]:
    """Return status and body; empty if the body is too long or takes too long."""
    url = f"{request.base_url}{request.path}"
    parts: list[bytes] = []
    size = 0
    with (
        httpx.Client(timeout=timeout, verify=tls_context()) as client,
        client.stream(
            request.method, url, params=request.query, json=request.body, headers=request.headers
        ) as response,
    ):
        for part in response.iter_bytes():
            size += len(part)
            if size > MAX_ANSWER_BYTES or time.monotonic() > ends_at:
                return response.status_code, b""
            parts.append(part)
        return response.status_code, b"".join(parts)


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS context of all requests of this process.

    Without it httpx loads the certificate authorities for each client. Measured: that takes 30 ms of CPU.
    """
    return httpx.create_ssl_context()


def error_of(request: Request, status: int, answer: Mapping[str, Any]) -> DhanError:
    """Return the error in either form: errorCode and errorMessage, or codes as keys of `data`."""
    nested = answer.get("data")
    if "errorCode" in answer:
        code, said = _text(answer["errorCode"]), _text(answer.get("errorMessage"))
    elif isinstance(nested, dict) and nested:
        code, said = next((key, _text(value)) for key, value in nested.items())
    else:
        code, said = str(status), _text(answer.get("error") or answer.get("message"))
    # Masked before it is cut: half of a secret would not be found.
    shown = printable(request.masked(code), MAX_TEXT), printable(request.masked(said), MAX_ERROR_TEXT)
    sentence = f"{request.path} answers {status} {shown[0]}: {shown[1]}"
    if status == httpx.codes.TOO_MANY_REQUESTS or code in RATE_CODES:
        return RateLimited(sentence)
    # A token that was replaced is refused with 400, DH-906 and this text (docs/dhan.md).
    if status == httpx.codes.UNAUTHORIZED or code in LOGIN_CODES or "invalid token" in said.lower():
        return LoginRefused(sentence)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return DhanUnreachable(sentence, is_answered=True)
    return RequestRefused(sentence)


def _text(value: object) -> str:
    """Return a text or a number as text; nothing for any other value."""
    return str(value) if isinstance(value, str | int | float) else ""
