"""Lifecycle of an access token: its expiry, the time to renew it, the wait after a failed renewal.

A token is a JWT valid for 24 hours, with the expiry in its claims (docs/dhan.md).
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Final, TypeGuard

from marketdata.domain.backoff import wait_after

# Chosen: real tokens have about 300 characters; a longer text was pasted by mistake.
MAX_TOKEN_CHARACTERS: Final = 4_096
# Chosen: quick for a passing failure; the maximum still gives eight attempts in TOKEN_RENEW_MARGIN_MIN (2 hours).
RETRY_FIRST: Final = timedelta(seconds=30)
RETRY_MOST: Final = timedelta(minutes=15)
# docs/dhan.md: the broker accepts about one generation in two minutes. Chosen: ten seconds more than that.
GENERATE_INTERVAL: Final = timedelta(seconds=130)
# Chosen: a token lives for a day. Another year is no time, and PostgreSQL or a change of zone may refuse it.
EXPIRY_YEARS: Final = range(2001, 2100)
IST: Final = timezone(timedelta(hours=5, minutes=30))


class TokenMalformed(ValueError):
    """The entered text is not a token of this account; the error text is a sentence without any part of it."""


class TokenMethod(StrEnum):
    """Source of a token."""

    ENVIRONMENT = "environment"
    ENTERED = "entered"
    RENEWED = "renewed"
    GENERATED = "generated"


class Step(StrEnum):
    """Next step for a token."""

    NOTHING = "nothing"
    RENEW = "renew"
    GENERATE = "generate"


def read_expiry(access_token: str) -> datetime | None:
    """Return the expiry of a token; None if it has no readable claims."""
    seconds = _claims(access_token).get("exp")
    # `bool` is a subclass of `int`: a claim of `true` would be the year 1970.
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return _plausible(datetime.fromtimestamp(seconds, tz=UTC))
    except (OverflowError, ValueError, OSError):  # Which one depends on the platform.
        return None


def parse_expiry(text: object) -> datetime | None:
    """Return the expiry in an ISO text; without an offset it is in IST. None for anything else."""
    try:
        stamp = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return _plausible(stamp.replace(tzinfo=stamp.tzinfo or IST)) if stamp is not None else None


def has_token_form(value: object) -> TypeGuard[str]:
    """Whether `value` may be a token: printable ASCII without a space, which a header can carry."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_TOKEN_CHARACTERS
        and value.isascii()
        and value.isprintable()
        and " " not in value
    )


def last_four(access_token: str) -> str:
    """Return the last four characters, the only part that is ever shown; empty for a token below 16 characters."""
    # Four characters of a short text would be a large part of the secret.
    return access_token[-4:] if len(access_token) >= 16 else ""


def check_entered(*, client_id: str, access_token: str, now: datetime) -> None:
    """Raise TokenMalformed, with a sentence for staff, if this cannot be a valid token of the account."""
    if not client_id.isascii() or not client_id.isalnum():
        raise TokenMalformed("The client id is letters and digits.")
    if not access_token or len(access_token) > MAX_TOKEN_CHARACTERS:
        raise TokenMalformed(f"The access token must have between 1 and {MAX_TOKEN_CHARACTERS:,} characters.")
    if not has_token_form(access_token):
        raise TokenMalformed("The access token holds a space, a line break or a letter that no token has.")
    # A token without readable claims passes both checks: only the broker can say whether it is valid.
    expires_at = read_expiry(access_token)
    if expires_at is not None and expires_at <= now:
        raise TokenMalformed("This access token has expired already.")
    owner = _claims(access_token).get("dhanClientId")
    if owner is not None and str(owner) != client_id:
        raise TokenMalformed("This access token belongs to another client id.")


def may_be_the_token(refusal: str) -> bool:
    """Whether another token may help after a refusal, by the text of `marketdata.dhan.disconnects.describe`.

    Not after 806 (no data subscription) and 810 (wrong client id).
    """
    return refusal.partition(":")[0] not in {"806", "810"}


def next_step(
    *,
    expires_at: datetime | None,
    is_refused: bool,
    failures: int,
    retry_at: datetime | None,
    can_generate: bool,
    margin: timedelta,
    now: datetime,
) -> Step:
    """Return the next step for a token, from its expiry, a refusal and its failed renewals in a row."""
    if retry_at is not None and now < retry_at:
        return Step.NOTHING
    # 1. A renewal is needed from `margin` before the expiry, or after a refusal. Without a known expiry (the
    # simulator's tokens) only a refusal counts.
    is_due = expires_at is not None and now >= expires_at - margin
    if not is_refused and not is_due:
        return Step.NOTHING
    # 2. Generation works with any token, also an expired one, so it is preferred to renewal.
    if can_generate:
        return Step.GENERATE
    # 3. A refused token gets one attempt, because the feed can refuse a token that REST still accepts.
    if is_refused:
        return Step.RENEW if failures == 0 else Step.NOTHING
    # 4. The broker renews only a token that is still valid. After that staff must enter a new one.
    return Step.RENEW if expires_at is not None and now < expires_at else Step.NOTHING


def retry_after(*, step: Step, failures: int, chance: float) -> timedelta:
    """Return the wait after the `failures`-th failure in a row: exponential with jitter; `chance` is from 0 to 1."""
    most = wait_after(failures, first=RETRY_FIRST, longest=RETRY_MOST)
    # Half of the wait is random, so that two processes that failed together do not retry together.
    wait = most / 2 + most / 2 * chance
    return max(wait, GENERATE_INTERVAL) if step is Step.GENERATE else wait


def _plausible(stamp: datetime) -> datetime | None:
    return stamp if stamp.year in EXPIRY_YEARS else None


def _claims(access_token: str) -> Mapping[str, Any]:
    parts = access_token.split(".")
    if len(parts) != 3:
        return {}
    # Not verified: the key is the broker's. The claims only tell when to renew, they prove nothing.
    payload = parts[1]
    # JWT drops the "=" that base64 needs: -n % 4 is the number that is missing.
    try:
        found = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
