"""The life of an access token: when it ends, when it should be renewed, how long to wait after a failure.

A token is a JWT of 24 hours; its claims say when it ends. They are read and not verified: whether a token is good
is the broker's word. Tokens that are no JWT (the simulator's) end at a time nobody knows. A token that the
broker has refused or that has expired cannot be renewed (docs/dhan.md), only generated anew or entered by staff.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

# Far longer than any seen; what is longer is something pasted by mistake.
MAX_TOKEN_CHARACTERS: Final = 4_096
RETRY_FIRST: Final = timedelta(seconds=30)
RETRY_MOST: Final = timedelta(minutes=15)
# About one generation in two minutes is tolerated (docs/dhan.md).
GENERATE_INTERVAL: Final = timedelta(seconds=130)


class TokenMalformed(ValueError):
    """What was entered is no token of this account; the text is a sentence and quotes nothing of it."""


class TokenMethod(StrEnum):
    """How a token came to us."""

    ENVIRONMENT = "environment"
    ENTERED = "entered"
    RENEWED = "renewed"
    GENERATED = "generated"


class Step(StrEnum):
    """What to do about a token now."""

    NOTHING = "nothing"
    RENEW = "renew"
    GENERATE = "generate"


def read_expiry(access_token: str) -> datetime | None:
    """Return when the token ends; None where it does not say."""
    seconds = _claims(access_token).get("exp")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None


def last_four(access_token: str) -> str:
    """Return as much of a token as is ever shown; nothing of one so short that four would be a good part of it."""
    return access_token[-4:] if len(access_token) >= 16 else ""


def check_entered(*, client_id: str, access_token: str, now: datetime) -> None:
    """Raise TokenMalformed, for the person who typed it, if this cannot be a working token of the account."""
    if not client_id.isascii() or not client_id.isalnum():
        raise TokenMalformed("The client id is letters and digits.")
    if not access_token or len(access_token) > MAX_TOKEN_CHARACTERS:
        raise TokenMalformed(f"The access token must have between 1 and {MAX_TOKEN_CHARACTERS:,} characters.")
    if not access_token.isascii() or not access_token.isprintable() or " " in access_token:
        raise TokenMalformed("The access token holds a space, a line break or a letter that no token has.")
    expires_at = read_expiry(access_token)
    if expires_at is not None and expires_at <= now:
        raise TokenMalformed("This access token has expired already.")
    owner = _claims(access_token).get("dhanClientId")
    if owner is not None and str(owner) != client_id:
        raise TokenMalformed("This access token belongs to another client id.")


def may_be_the_token(refusal: str) -> bool:
    """Whether another token may help, by the words of a refusal (`marketdata.dhan.disconnects.describe`).

    It does not where the account has no data subscription or the client id is wrong.
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
    """Return what to do about a token that ends at `expires_at`, has been refused or not, and failed to be renewed.

    A refused token is worth one attempt at renewal, since the refusal may have been the feed's alone.
    """
    if retry_at is not None and now < retry_at:
        return Step.NOTHING
    is_due = expires_at is not None and now >= expires_at - margin
    if not is_refused and not is_due:
        return Step.NOTHING
    if can_generate:
        return Step.GENERATE
    if is_refused:
        return Step.RENEW if failures == 0 else Step.NOTHING
    return Step.RENEW if expires_at is not None and now < expires_at else Step.NOTHING


def retry_after(*, step: Step, failures: int, chance: float) -> timedelta:
    """Return how long to wait after the `failures`-th failure in a row; `chance` from 0 to 1 spreads who retries."""
    most = min(RETRY_FIRST * float(2 ** min(failures - 1, 10)), RETRY_MOST)
    wait = most / 2 + most / 2 * chance
    return max(wait, GENERATE_INTERVAL) if step is Step.GENERATE else wait


def _claims(access_token: str) -> Mapping[str, Any]:
    parts = access_token.split(".")
    if len(parts) != 3:
        return {}
    payload = parts[1]
    try:
        found = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
