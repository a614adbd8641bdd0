"""HTTP client of the broker: snapshot prices, the instrument file, and access tokens.

The only module that knows the broker's HTTP paths and responses. No URL, error or log line contains an access token, a
PIN or a one-time password. Only `fetch_ltp_in_turn` retries, because a trader waits for it.

    DhanError
    ├── DhanUnreachable     no response, or one that is not JSON: retry later
    ├── RateLimited         over the rate limit of the account: retry after a second
    ├── LoginRefused        token or client id refused: log in again
    └── RequestRefused      any other refusal: a retry cannot succeed
"""

import gzip
import random
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Final

import httpx
import pyotp
from django.conf import settings

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.tokens import read_expiry
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Depth, DepthLevel, Quote

# docs/dhan.md, REST: instruments in one request, over all segments.
MAX_KEYS_PER_REQUEST: Final = 1_000
# docs/dhan.md, REST: the limit is one request a second; at exactly one second users still see refusals.
QUOTE_INTERVAL_SECONDS: Final = 1.1
# Chosen: at most two waits, because a trader waits for the answer.
QUOTE_ATTEMPTS: Final = 3
# Chosen: as short as a trader's patience allows; a missing price is requested again.
QUOTE_TIMEOUT: Final = httpx.Timeout(3.0, connect=2.0)
# Chosen: long. The broker ends the old token even if its response comes too late, and then the new one is lost.
TOKEN_TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)
# Chosen: per read, not for the whole download.
FILE_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
# Chosen: seven times the usual file (about 35 MB). Bounds the temporary file.
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
# Chosen: far above a row. Bounds the memory for a file without line ends.
MAX_LINE_CHARACTERS: Final = 64 * 1024
GZIP_MAGIC: Final = b"\x1f\x8b"  # RFC 1952, section 2.3.1
# docs/dhan.md: errors come in two shapes. The numbers are those of the feed's disconnect packets.
RATE_CODES: Final = frozenset({"805", "DH-904"})
LOGIN_CODES: Final = frozenset({"806", "807", "808", "809", "810", "DH-901", "DH-902"})
NEVER_TRADED_YEAR: Final = 1980  # REST has 01/01/1980 as the trade time of an instrument that never traded
IST: Final = timezone(timedelta(hours=5, minutes=30))


class DhanError(Exception):
    """A request to the broker failed."""


class DhanUnreachable(DhanError):
    """No response, or one in an unknown form."""


class RateLimited(DhanError):
    """The request was over the rate limit."""


class LoginRefused(DhanError):
    """The access token or client id is invalid, or the account has no data plan."""


class RequestRefused(DhanError):
    """The broker refused the request for another reason."""


class InstrumentFileError(Exception):
    """An instrument file cannot be read or is incomplete; the text is a sentence."""


def fetch_ltp(keys: Sequence[InstrumentKey], *, credentials: Credentials) -> Mapping[InstrumentKey, Decimal]:
    """Return last prices of at most MAX_KEYS_PER_REQUEST instruments; those without one are missing.

    Raises DhanError.
    """
    found = _post_keys("/marketfeed/ltp", keys, credentials)
    prices = {key: Decimal(str(fields.get("last_price") or 0)) for key, fields in found.items()}
    return {key: round(price, 4) for key, price in prices.items() if price > 0}


def fetch_ltp_in_turn(keys: Sequence[InstrumentKey], *, credentials: Credentials) -> Mapping[InstrumentKey, Decimal]:
    """Return last prices as `fetch_ltp`; retry over the rate limit, at most QUOTE_ATTEMPTS attempts in all.

    A retry blocks for seconds: do not call it in an event loop or a transaction. Raises DhanError.
    """
    for _ in range(QUOTE_ATTEMPTS - 1):
        try:
            return fetch_ltp(keys, credentials=credentials)
        except RateLimited:
            # Jitter: processes that were refused together must not retry together.
            time.sleep(QUOTE_INTERVAL_SECONDS * random.uniform(1.0, 1.4))  # noqa: S311  jitter is no secret
    return fetch_ltp(keys, credentials=credentials)


def fetch_quotes(keys: Sequence[InstrumentKey], *, credentials: Credentials) -> Mapping[InstrumentKey, Quote]:
    """Return full snapshots of at most MAX_KEYS_PER_REQUEST instruments; unknown ones are missing.

    Raises DhanError.
    """
    found = _post_keys("/marketfeed/quote", keys, credentials)
    try:
        return {key: _quote_of(key, fields) for key, fields in found.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise DhanUnreachable(f"a quote has an unknown form: {error!r}") from error


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new access token; the one before it is no longer valid."""

    access_token: str
    expires_at: datetime | None  # None: neither the token nor the response has an expiry

    def __repr__(self) -> str:
        return f"IssuedToken(expires_at={self.expires_at!r})"


def renew_token(credentials: Credentials) -> IssuedToken:
    """Return a new token for one that is still valid. Raises DhanError."""
    headers = {"access-token": credentials.access_token, "dhanClientId": credentials.client_id}
    request = httpx.Request("GET", f"{settings.DHAN_REST_URL}/RenewToken", headers=headers)
    return _issue("/RenewToken", request, secrets=[credentials.access_token])


def generate_token(*, client_id: str, pin: str, totp_secret: str, now: datetime) -> IssuedToken:
    """Return a new token, from the PIN and the one-time password at `now`. Raises DhanError."""
    totp = pyotp.TOTP(totp_secret).at(now)
    query = {"dhanClientId": client_id, "pin": pin, "totp": totp}
    path = "/app/generateAccessToken"
    request = httpx.Request("POST", f"{settings.DHAN_AUTH_URL}{path}", params=query)
    return _issue(path, request, secrets=[pin, totp])


def _issue(path: str, request: httpx.Request, *, secrets: Sequence[str]) -> IssuedToken:
    """Request a token. Errors have no cause: httpx errors contain the request and its secrets."""
    try:
        with httpx.Client(timeout=TOKEN_TIMEOUT) as client:
            response = client.send(request)
    except httpx.HTTPError as error:
        raise DhanUnreachable(f"{path}: {type(error).__name__}") from None
    answer = _read_object(path, response)
    # Users report both names; the response of a renewal is not documented.
    token = answer.get("accessToken") or answer.get("token")
    if not response.is_success or not isinstance(token, str):
        refusal = _error_of(path, response.status_code, answer)
        sentence = str(refusal)
        for secret in secrets:  # The broker may quote the request in its error.
            sentence = sentence.replace(secret, "***")
        raise type(refusal)(sentence)
    return IssuedToken(token, read_expiry(token) or _expiry_of(answer.get("expiryTime")))


def _expiry_of(text: Any) -> datetime | None:
    """Return the datetime of an ISO text; without an offset it is in IST. None for any other text."""
    try:
        stamp = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return stamp.replace(tzinfo=stamp.tzinfo or IST) if stamp is not None else None


@contextmanager
def open_instrument_file(source: str) -> Iterator[Iterator[str]]:
    """Yield the lines of the file at a path or http(s) URL, plain or gzip.

    Raises InstrumentFileError, also while lines are read.
    """
    if source.startswith(("http://", "https://")):
        # The whole file first: callers read the lines inside a transaction, which must not wait for the network.
        with tempfile.TemporaryFile() as downloaded:
            _download(source, downloaded)
            with _text_of(downloaded) as text:
                yield _lines(text, source)
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115  Only errors of opening get this text.
    except OSError as error:
        raise InstrumentFileError(f"{source} cannot be read: {error.strerror}.") from error
    with file, _text_of(file) as text:
        yield _lines(text, source)


def _download(url: str, file: IO[bytes]) -> None:
    size = 0
    try:
        with httpx.stream("GET", url, timeout=FILE_TIMEOUT, follow_redirects=True) as response:
            if response.status_code != httpx.codes.OK:
                raise InstrumentFileError(f"{url} answers {response.status_code}.")
            for chunk in response.iter_bytes():
                size += len(chunk)
                if size > MAX_FILE_BYTES:
                    raise InstrumentFileError(f"{url} is longer than {MAX_FILE_BYTES:,} bytes.")
                file.write(chunk)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InstrumentFileError(f"{url} cannot be downloaded: {error}.") from error


def _text_of(file: IO[bytes]) -> TextIOWrapper:
    file.seek(0)
    is_gzip = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    binary: Any = gzip.GzipFile(fileobj=file) if is_gzip else file
    return TextIOWrapper(binary, encoding="utf-8", errors="replace", newline="")


def _lines(text: TextIOWrapper, source: str) -> Iterator[str]:
    try:
        while line := text.readline(MAX_LINE_CHARACTERS):
            yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InstrumentFileError(f"{source} is cut off or damaged: {error}.") from error
    except OSError as error:
        raise InstrumentFileError(f"{source} cannot be read: {error.strerror}.") from error


def _post_keys(
    path: str, keys: Sequence[InstrumentKey], credentials: Credentials
) -> Mapping[InstrumentKey, Mapping[str, Any]]:
    if not keys:
        return {}
    if len(keys) > MAX_KEYS_PER_REQUEST:
        raise ValueError(f"{len(keys)} instruments in one request")
    body: dict[str, list[int]] = {}
    for key in keys:
        body.setdefault(key.segment.name, []).append(key.security_id)
    answer = _post(path, body, credentials)
    try:
        return {
            InstrumentKey(ExchangeSegment[segment], int(security_id)): fields
            for segment, listed in answer["data"].items()
            for security_id, fields in listed.items()
        }
    except (KeyError, AttributeError, ValueError) as error:
        raise DhanUnreachable(f"{path} answers in an unknown form: {error!r}") from error


def _post(path: str, body: Mapping[str, Any], credentials: Credentials) -> dict[str, Any]:
    headers = {"access-token": credentials.access_token, "client-id": credentials.client_id}
    try:
        response = httpx.post(f"{settings.DHAN_REST_URL}{path}", json=body, headers=headers, timeout=QUOTE_TIMEOUT)
    except httpx.HTTPError as error:
        raise DhanUnreachable(f"{path}: {type(error).__name__}") from error
    answer = _read_object(path, response)
    if response.is_success and answer.get("status") == "success":
        return answer
    raise _error_of(path, response.status_code, answer)


def _read_object(path: str, response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise DhanUnreachable(f"{path} answers {response.status_code} without JSON") from error
    if not isinstance(answer, dict):
        raise DhanUnreachable(f"{path} answers {response.status_code} in an unknown form")
    return answer


def _error_of(path: str, status: int, answer: Mapping[str, Any]) -> DhanError:
    """Return the error in either form: errorCode and errorMessage, or codes as keys of `data`."""
    nested = answer.get("data")
    if "errorCode" in answer:
        code, said = str(answer["errorCode"]), str(answer.get("errorMessage", ""))
    elif isinstance(nested, dict) and nested:
        code, said = next((str(key), str(value)) for key, value in nested.items())
    else:
        code, said = str(status), str(answer.get("error") or answer.get("message") or "")
    sentence = f"{path} answers {status} {code}: {said[:200]}"
    if status == httpx.codes.TOO_MANY_REQUESTS or code in RATE_CODES:
        return RateLimited(sentence)
    # A token that was replaced is refused with 400, DH-906 and this text (docs/dhan.md).
    if status == httpx.codes.UNAUTHORIZED or code in LOGIN_CODES or "invalid token" in said.lower():
        return LoginRefused(sentence)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return DhanUnreachable(sentence)
    return RequestRefused(sentence)


def _quote_of(key: InstrumentKey, fields: Mapping[str, Any]) -> Quote:
    day = fields.get("ohlc") or {}
    ltp = _positive(fields.get("last_price"))
    ltt = _ltt_of(str(fields.get("last_trade_time") or ""))
    return Quote(
        key,
        ltp=ltp,
        ltq=int(fields.get("last_quantity") or 0),
        ltt=ltt,
        average_price=float(fields.get("average_price") or 0),
        volume=int(fields.get("volume") or 0),
        total_sell_quantity=int(fields.get("sell_quantity") or 0),
        total_buy_quantity=int(fields.get("buy_quantity") or 0),
        oi=int(fields.get("oi") or 0),
        oi_day_high=int(fields.get("oi_day_high") or 0),
        oi_day_low=int(fields.get("oi_day_low") or 0),
        day_open=float(day.get("open") or 0),
        day_close=float(day.get("close") or 0),
        day_high=float(day.get("high") or 0),
        day_low=float(day.get("low") or 0),
        depth=_depth_of(fields.get("depth")),
        # During a session the broker's close is that of the session before.
        previous_close=_positive(day.get("close")),
    )


def _positive(value: Any) -> float | None:
    number = float(value or 0)
    return number if number > 0 else None


def _ltt_of(text: str) -> int | None:
    """Return `DD/MM/YYYY HH:MM:SS` as LTT (IST wall clock as if UTC); None if the instrument never traded."""
    if not text:
        return None
    stamp = datetime.strptime(text, "%d/%m/%Y %H:%M:%S").replace(tzinfo=UTC)
    return None if stamp.year <= NEVER_TRADED_YEAR else int(stamp.timestamp())


def _depth_of(sides: Any) -> Depth | None:
    if not sides:
        return None
    one, two, three, four, five = (
        DepthLevel(
            int(buy["quantity"]),
            int(sell["quantity"]),
            int(buy["orders"]),
            int(sell["orders"]),
            float(buy["price"]),
            float(sell["price"]),
        )
        for buy, sell in zip(sides["buy"], sides["sell"], strict=True)
    )
    return (one, two, three, four, five)
