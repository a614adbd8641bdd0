"""HTTP client of the broker: snapshot prices, candles, option chains, and access tokens.

The only module that knows the broker's HTTP paths and responses, except for instrument files (`instrument_file`). No
URL, error or log line contains an access token, a PIN or a one-time password. Nothing here retries or waits for the
account's turn: callers of market data take it on the rest board.

Every answer is read item by item (`dhan.rest_answers`): what is odd is left out, counted on the rest board for
`/metrics`, and logged once for each kind. `dhan_http` has the errors.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

import httpx
import pyotp
from django.conf import settings

from marketdata import rest_board
from marketdata.dhan import rest_answers
from marketdata.dhan.candles import DailyCandle, read_candle
from marketdata.dhan.chain_answers import ChainOption, read_chain
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.intraday_answers import read_intraday
from marketdata.dhan.profiles import Profile, read_profile
from marketdata.dhan.rest_answers import ItemReading, OddItems, OddKind, OddValue
from marketdata.dhan.tokens import has_token_form, parse_expiry, read_expiry
from marketdata.dhan_http import (
    DhanError,
    DhanUnreachable,
    LoginRefused,
    RateLimited,
    Request,
    RequestRefused,
    error_of,
    send,
)
from marketdata.domain.instruments import InstrumentKey, InstrumentType, OptionType
from marketdata.domain.intraday import Candles
from marketdata.domain.quotes import Quote
from marketdata.quote_board import BoardError

logger = logging.getLogger(__name__)

# The errors are part of the interface of this module.
__all__ = [
    "Answer",
    "DhanError",
    "DhanUnreachable",
    "IssuedToken",
    "LoginRefused",
    "RateLimited",
    "RequestRefused",
    "fetch_candle",
    "fetch_chain",
    "fetch_intraday",
    "fetch_ltp",
    "fetch_profile",
    "fetch_quotes",
    "generate_token",
    "renew_token",
]

# docs/dhan.md, REST: instruments in one request, over all segments.
MAX_KEYS_PER_REQUEST: Final = 1_000
# Chosen: as short as a trader's patience allows; a missing price is requested again.
QUOTE_TIMEOUT: Final = httpx.Timeout(3.0, connect=2.0)
QUOTE_SECONDS: Final = 6.0  # Chosen: twice the timeout of a read. An answer that drips never exceeds that one.
# Chosen: long. The broker ends the old token even if its response comes too late, and then the new one is lost.
TOKEN_TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)
TOKEN_SECONDS: Final = 25.0  # Chosen: with the 28 s of storing below the 60 s of the task (`tasks`).

Item = TypeVar("Item")


class Answer(StrEnum):
    """An answer of the broker whose odd items are counted; the values are labels of the metric."""

    LTP = "ltp"
    QUOTE = "quote"
    HISTORICAL = "historical"
    INTRADAY = "intraday"
    CHAIN = "chain"
    PROFILE = "profile"
    TOKEN = "token"  # noqa: S105  a label, no secret


def fetch_ltp(keys: Sequence[InstrumentKey], *, credentials: Credentials) -> Mapping[InstrumentKey, Decimal]:
    """Return last prices of at most MAX_KEYS_PER_REQUEST instruments, in rupees with at most four decimals.

    Unknown, zero and odd ones are missing. Raises DhanError.
    """
    content = _fetch_content(Answer.LTP, keys, credentials)
    return _readable(Answer.LTP, lambda: rest_answers.read_prices(content, keys))


def fetch_quotes(keys: Sequence[InstrumentKey], *, credentials: Credentials) -> Mapping[InstrumentKey, Quote]:
    """Return full snapshots of at most MAX_KEYS_PER_REQUEST instruments; unknown and odd ones are missing.

    Raises DhanError.
    """
    content = _fetch_content(Answer.QUOTE, keys, credentials)
    return _readable(Answer.QUOTE, lambda: rest_answers.read_quotes(content, keys, now=datetime.now(UTC)))


def fetch_candle(
    key: InstrumentKey, instrument_type: InstrumentType, day: date, *, credentials: Credentials
) -> DailyCandle | None:
    """Return the daily candle of one instrument; None if the broker has no readable one. Raises DhanError.

    The broker refuses a request about a day without a candle: RequestRefused is such an answer, too.
    """
    times = {"fromDate": day.isoformat(), "toDate": (day + timedelta(days=1)).isoformat()}  # the end is exclusive
    body = {**_instrument_of(key, instrument_type), "expiryCode": 0, "oi": True, **times}
    answer = _fetch_columns(Answer.HISTORICAL, body, credentials)
    try:
        candle, odd = read_candle(answer, day)
    except OddValue as error:
        _note_odd_value(Answer.HISTORICAL, error.kind, str(key))
        return None
    _note_odd(Answer.HISTORICAL, odd)
    return candle


def fetch_intraday(
    key: InstrumentKey,
    instrument_type: InstrumentType,
    *,
    first: date,
    last: date,
    interval: int,
    credentials: Credentials,
) -> Candles:
    """Return the candles of `interval` minutes of the newest day from `first` to `last`; odd candles are missing.

    Raises DhanError; RequestRefused also where there are none.
    """
    times = {"fromDate": f"{first} 00:00:00", "toDate": f"{last} 23:59:59"}  # both inclusive
    body = {**_instrument_of(key, instrument_type), "interval": str(interval), **times}
    answer = _fetch_columns(Answer.INTRADAY, body, credentials)
    try:
        candles, odd = read_intraday(answer, first=first, last=last)
    except OddValue as error:
        raise _unknown_form(Answer.INTRADAY, error) from None
    _note_odd(Answer.INTRADAY, odd)
    return candles


def fetch_chain(
    underlying: InstrumentKey, expiry: date, *, credentials: Credentials
) -> Mapping[tuple[Decimal, OptionType], ChainOption]:
    """Return the broker's option chain of one expiry by strike and type; odd options are missing. Raises DhanError.

    `underlying` is the index, the share, or at MCX the future that the options are written on.
    """
    body = {
        "UnderlyingScrip": underlying.security_id,
        "UnderlyingSeg": underlying.segment.name,
        "Expiry": expiry.isoformat(),
    }
    headers = {"access-token": credentials.access_token, "client-id": credentials.client_id}
    request = Request("POST", settings.DHAN_REST_URL, "/optionchain", headers=headers, body=body)
    content = _fetch_data(Answer.CHAIN, request)
    try:
        reading = read_chain(content)
    except OddValue as error:
        raise _unknown_form(Answer.CHAIN, error) from None
    _note_odd(Answer.CHAIN, reading.odd)
    return reading.options


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new access token; the one before it is no longer valid."""

    access_token: str
    expires_at: datetime | None  # None: neither the token nor the response has an expiry

    def __repr__(self) -> str:
        return f"IssuedToken(expires_at={self.expires_at!r})"


def fetch_profile(credentials: Credentials) -> Profile:
    """Return the account of an access token, which need not be the current one.

    Raises LoginRefused if the broker refuses the token, DhanUnreachable also for an answer that names no account.
    """
    headers = {"access-token": credentials.access_token}
    request = Request("GET", settings.DHAN_REST_URL, "/profile", headers=headers)
    status, answer = _send(Answer.PROFILE, request, timeout=QUOTE_TIMEOUT, seconds=QUOTE_SECONDS)
    if not httpx.codes.is_success(status):
        raise error_of(request, status, answer)
    profile = read_profile(answer)
    if profile.client_id is None:
        _note_odd_value(Answer.PROFILE, OddKind.FORM if "dhanClientId" in answer else OddKind.MISSING, "dhanClientId")
        raise DhanUnreachable("/profile answers without a client id", is_answered=True)
    if profile.valid_until is None:
        _note_odd_value(Answer.PROFILE, OddKind.TIME, "tokenValidity")
    return profile


def renew_token(credentials: Credentials) -> IssuedToken:
    """Return a new token for one that is still valid. Raises DhanError."""
    headers = {"access-token": credentials.access_token, "dhanClientId": credentials.client_id}
    return _issue(Request("GET", settings.DHAN_REST_URL, "/RenewToken", headers=headers))


def generate_token(*, client_id: str, pin: str, totp_secret: str, now: datetime) -> IssuedToken:
    """Return a new token, from the PIN and the one-time password at `now`. Raises DhanError."""
    totp = pyotp.TOTP(totp_secret).at(now)
    query = {"dhanClientId": client_id, "pin": pin, "totp": totp}
    return _issue(Request("POST", settings.DHAN_AUTH_URL, "/app/generateAccessToken", query=query, secrets=(pin, totp)))


def _issue(request: Request) -> IssuedToken:
    status, answer = _send(Answer.TOKEN, request, timeout=TOKEN_TIMEOUT, seconds=TOKEN_SECONDS)
    # Users report both names; the response of a renewal is not documented.
    token = answer.get("accessToken") or answer.get("token")
    if not httpx.codes.is_success(status):
        raise error_of(request, status, answer)
    if not has_token_form(token):
        _note_odd_value(Answer.TOKEN, OddKind.MISSING if token is None else OddKind.FORM, "accessToken")
        raise error_of(request, status, answer)
    expires_at, stated = read_expiry(token), answer.get("expiryTime")
    if expires_at is None and stated is not None:
        expires_at = parse_expiry(stated)
        if expires_at is None:
            _note_odd_value(Answer.TOKEN, OddKind.TIME, "expiryTime")
    return IssuedToken(token, expires_at)


def _fetch_content(answer: Answer, keys: Sequence[InstrumentKey], credentials: Credentials) -> object:
    """Return the content of a market-data answer: an object, unless the broker sends another form."""
    if not keys:
        return {}
    if len(keys) > MAX_KEYS_PER_REQUEST:
        raise ValueError(f"{len(keys)} instruments in one request")
    body: dict[str, list[int]] = {}
    for key in keys:
        body.setdefault(key.segment.name, []).append(key.security_id)
    headers = {"access-token": credentials.access_token, "client-id": credentials.client_id}
    return _fetch_data(
        answer, Request("POST", settings.DHAN_REST_URL, f"/marketfeed/{answer}", headers=headers, body=body)
    )


def _instrument_of(key: InstrumentKey, instrument_type: InstrumentType) -> dict[str, object]:
    return {
        "securityId": str(key.security_id),
        "exchangeSegment": key.segment.name,
        "instrument": instrument_type.value,
    }


def _fetch_columns(name: Answer, body: Mapping[str, object], credentials: Credentials) -> dict[str, Any]:
    """Return an answer of candles: one list per field. Raises DhanError."""
    headers = {"access-token": credentials.access_token}
    request = Request("POST", settings.DHAN_REST_URL, f"/charts/{name}", headers=headers, body=body)
    status, answer = _send(name, request, timeout=QUOTE_TIMEOUT, seconds=QUOTE_SECONDS)
    # Candles come without a status; errors of both shapes have a member of their own.
    if not httpx.codes.is_success(status) or "errorCode" in answer or answer.get("status") == "failed":
        raise error_of(request, status, answer)
    return answer


def _fetch_data(answer: Answer, request: Request) -> object:
    """Return the member `data` of a successful answer. Raises DhanError."""
    status, found = _send(answer, request, timeout=QUOTE_TIMEOUT, seconds=QUOTE_SECONDS)
    if httpx.codes.is_success(status) and found.get("status") == "success":
        return found.get("data")
    raise error_of(request, status, found)


def _send(answer: Answer, request: Request, *, timeout: httpx.Timeout, seconds: float) -> tuple[int, dict[str, Any]]:
    try:
        return send(request, timeout=timeout, seconds=seconds)
    except DhanUnreachable as error:
        if error.is_answered:
            _note_odd_value(answer, OddKind.ANSWER, "without a JSON object")
        raise


def _readable(answer: Answer, read: Callable[[], ItemReading[Item]]) -> Mapping[InstrumentKey, Item]:
    """Return the items that `read` finds, and note the odd ones. Raises DhanUnreachable for another outer form."""
    try:
        reading = read()
    except OddValue as error:
        raise _unknown_form(answer, error) from None
    _note_odd(answer, reading.odd)
    return reading.items


def _unknown_form(answer: Answer, error: OddValue) -> DhanUnreachable:
    """Note an answer of another outer form, and return its error."""
    _note_odd_value(answer, OddKind.ANSWER, error.kind)
    return DhanUnreachable(f"{answer} answers in an unknown form: {error.kind}", is_answered=True)


def _note_odd_value(answer: Answer, kind: OddKind, name: str) -> None:
    odd = OddItems()
    odd.note(kind, name)
    _note_odd(answer, odd)


def _note_odd(answer: Answer, odd: OddItems) -> None:
    """Count odd items on the rest board, and log each kind once in the life of this process."""
    if not odd.counts:
        return
    for kind, example in odd.examples.items():
        # By address: a test, or another broker, begins again.
        if (settings.DHAN_REST_URL, answer, kind) not in _logged:
            _logged.add((settings.DHAN_REST_URL, answer, kind))
            logger.warning(
                "odd values in the broker's answer %s are left out: %s, first %s; /metrics counts further ones",
                answer,
                kind,
                example,
            )
    try:
        rest_board.connect().count_odd_items(answer, {kind.value: count for kind, count in odd.counts.items()})
    except BoardError as error:
        logger.warning("%d odd items of %s not counted: %s", odd.counts.total(), answer, type(error).__name__)


_logged: set[tuple[str, Answer, OddKind]] = set()
