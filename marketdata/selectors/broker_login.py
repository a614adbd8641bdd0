"""The login at the broker: account and access token, stored by staff or a renewal, or from the environment.

Which one counts, step by step:

1. Without a stored token, the environment's.
2. While the environment is the same as when the token was stored (`environment_mark`), the stored token.
3. After a change of the environment, the environment's: a person changed it on purpose.
4. Except that of two tokens of one account with known expiry, the later one counts. So a process that was started with
   yesterday's environment uses today's stored token.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import SealError, unseal
from marketdata.dhan.tokens import TokenMethod, last_four, read_expiry
from marketdata.models import BrokerSession


class TokenSource(StrEnum):
    """Source of the current access token."""

    ENVIRONMENT = "environment"
    STORED = "stored"
    NONE = ""


@dataclass(frozen=True, slots=True)
class BrokerLogin:
    """The current account and token, and the database row with their record, if there is one."""

    credentials: Credentials | None
    expires_at: datetime | None
    source: TokenSource
    row: BrokerSession | None


@dataclass(frozen=True, slots=True)
class PreviousLogin:
    """The account and token that staff replaced last, and its row."""

    credentials: Credentials
    row: BrokerSession


@dataclass(frozen=True, slots=True)
class AccessTokenStatus:
    """Public facts about the current access token. `problem` is a sentence for staff, empty without a problem."""

    expires_at: datetime | None
    """None if unknown: there is no token, or it is opaque."""
    last_four: str
    source: TokenSource
    method: str
    """How the token was obtained, one of TokenMethod; empty without a token."""
    problem: str


def read_credentials() -> Credentials | None:
    """Return the current credentials; None without a token.

    One query. Raises DatabaseError, and SealError if the stored token cannot be decrypted.
    """
    return get_broker_login().credentials


def get_broker_login() -> BrokerLogin:
    """Return the current login. Raises SealError if its token cannot be decrypted."""
    row = BrokerSession.objects.filter(is_current=True).first()
    named = _named_by_environment()
    if row is not None and row.token_sealed and (named is None or _outranks(row, named)):
        token = unseal(row.token_sealed, keys=settings.TOKEN_KEYS)
        return BrokerLogin(Credentials(row.client_id, token), row.expires_at, TokenSource.STORED, row)
    # A row without token records refusals of the environment's token; after a change of that token it is outdated.
    own = row if row is not None and not row.token_sealed and row.environment_mark == environment_mark() else None
    if named is None:
        return BrokerLogin(None, None, TokenSource.NONE, own)
    return BrokerLogin(named, read_expiry(named.access_token), TokenSource.ENVIRONMENT, own)


def find_previous_login(*, now: datetime) -> PreviousLogin | None:
    """Return the token to which staff can go back; None if there is none, or it has expired.

    Raises SealError if it cannot be decrypted.
    """
    row = BrokerSession.objects.filter(is_previous=True).first()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return PreviousLogin(Credentials(row.client_id, unseal(row.token_sealed, keys=settings.TOKEN_KEYS)), row)


def environment_mark() -> str:
    """Return a keyed hash of the environment's account and token; empty without a token."""
    named = _named_by_environment()
    if named is None:
        return ""
    # Keyed, so that the database does not reveal the token; NUL separates, because neither part can contain it.
    return salted_hmac("broker session", f"{named.client_id}\0{named.access_token}", algorithm="sha256").hexdigest()


def get_access_token_status(*, now: datetime) -> AccessTokenStatus:
    """Return the status of the current access token. Raises DatabaseError."""
    try:
        found = get_broker_login()
    except SealError as error:
        return AccessTokenStatus(None, "", TokenSource.STORED, "", str(error))
    if found.credentials is None:
        problem = "There is no access token: set DHAN_CLIENT_ID and DHAN_ACCESS_TOKEN, or enter one in the admin."
        return AccessTokenStatus(None, "", found.source, "", problem + _failed(found.row, now))
    return AccessTokenStatus(
        expires_at=found.expires_at,
        last_four=last_four(found.credentials.access_token),
        source=found.source,
        method=found.row.method if found.row is not None else TokenMethod.ENVIRONMENT,
        problem=_problem(found, now),
    )


def _named_by_environment() -> Credentials | None:
    if not settings.DHAN_ACCESS_TOKEN:
        return None
    return Credentials(settings.DHAN_CLIENT_ID, settings.DHAN_ACCESS_TOKEN)


def _outranks(row: BrokerSession, named: Credentials) -> bool:
    if row.environment_mark == environment_mark():
        return True
    ends = read_expiry(named.access_token)
    # Expiries of different accounts, or of opaque tokens, say nothing about which one the operator means.
    if row.client_id != named.client_id or row.expires_at is None or ends is None:
        return False
    return row.expires_at > ends


def _problem(found: BrokerLogin, now: datetime) -> str:
    row, ends = found.row, found.expires_at
    failed = _failed(row, now)
    if row is not None and row.refused_at is not None:
        return f"The broker has refused the access token since {_clock(row.refused_at)}: {row.refusal}.{failed}"
    if ends is not None and ends <= now:
        return f"The access token expired at {_clock(ends)}; enter a new one in the admin.{failed}"
    if failed:
        return f"The access token ends at {_clock(ends)}.{failed}" if ends else failed.strip()
    margin = timedelta(minutes=settings.TOKEN_RENEW_MARGIN_MIN)
    if ends is not None and ends - now <= margin and not settings.TOKEN_KEYS:
        return f"The access token ends at {_clock(ends)} and cannot be renewed: TOKEN_KEYS is not set."
    return ""


def _failed(row: BrokerSession | None, now: datetime) -> str:
    if row is None or not row.failures:
        return ""
    # A refused or expired token cannot be renewed. Only a generated token, with PIN and TOTP, can replace it.
    is_lost = row.refused_at is not None or (row.expires_at is not None and row.expires_at <= now)
    is_tried_again = bool(settings.DHAN_PIN) or not is_lost
    retry = f" The next attempt is at {_clock(row.retry_at)}." if row.retry_at and is_tried_again else ""
    often = "once" if row.failures == 1 else f"{row.failures} times"
    return f" Renewal failed {often}: {row.failure.rstrip('.')}.{retry}"


def _clock(at: datetime) -> str:
    return f"{timezone.localtime(at):%d %b %H:%M:%S} IST"
