"""Access tokens of the one account: which are good, and how a new one is had.

A token is a JWT of a day that names the client and its end (`exp`, true UTC); its signature is noise, since clients
cannot check the broker's either. A new token ends the one before it. Renewal works for an active token that was made
on the web, not for one generated with PIN and TOTP (https://dhanhq.co/docs/v2/authentication/, read November 2026).
Time comes from outside.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import orjson

TOTP_STEP_SECONDS = 30
TOTP_DIGITS = 6
DEFAULT_HOURS = 24.0


class TokenStatus(Enum):
    """What a shown token is worth."""

    VALID = auto()
    EXPIRED = auto()
    REVOKED = auto()
    """Once good; another was made since, or all were called back."""
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it was issued; without `expires_at` it lives for ever."""

    text: str
    expires_at: datetime | None
    is_renewable: bool = True


class Tokens:
    """The tokens issued for one client id; the newest is the good one, unless it was called back."""

    def __init__(self, client_id: str, first: str, *, hours: float = DEFAULT_HOURS) -> None:
        self.client_id = client_id
        self.hours = hours
        self._current: Token | None = Token(first, _expiry_in(first))
        self._revoked: dict[str, Token] = {}

    def status(self, text: str, *, now: datetime) -> TokenStatus:
        """Return what `text` is worth at `now`."""
        if self._current is not None and secrets.compare_digest(text.encode(), self._current.text.encode()):
            end = self._current.expires_at
            return TokenStatus.VALID if end is None or now < end else TokenStatus.EXPIRED
        return TokenStatus.REVOKED if text in self._revoked else TokenStatus.UNKNOWN

    def issue(self, *, now: datetime, hours: float | None = None, is_renewable: bool = True) -> Token:
        """Return a new token, which ends the one before it."""
        expires_at = now + timedelta(hours=self.hours if hours is None else hours)
        self.revoke()
        self._current = Token(self._sign(now, expires_at), expires_at, is_renewable)
        return self._current

    def revoke(self) -> None:
        """Make every token issued so far invalid."""
        if self._current is not None:
            self._revoked[self._current.text] = self._current
        self._current = None

    def renew(self, text: str, *, now: datetime) -> Token | None:
        """Return a new token for a good one; None where that cannot be."""
        if (
            self.status(text, now=now) is not TokenStatus.VALID
            or self._current is None
            or not self._current.is_renewable
        ):
            return None
        return self.issue(now=now)

    def expires_at(self) -> datetime | None:
        """Return the end of the good token; None if it has none, or there is no good token."""
        return self._current.expires_at if self._current is not None else None

    def _sign(self, now: datetime, expires_at: datetime) -> str:
        claims = {
            "iss": "dhan",
            "partnerId": "",
            "exp": int(expires_at.timestamp()),
            "iat": int(now.timestamp()),
            "tokenConsumerType": "SELF",
            "webhookUrl": "",
            "dhanClientId": self.client_id,
        }
        parts = (orjson.dumps({"typ": "JWT", "alg": "HS512"}), orjson.dumps(claims), secrets.token_bytes(64))
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def is_totp(code: str, *, secret: str, now: float) -> bool:
    """Whether `code` is what an authenticator shows for `secret` at Unix time `now`, a step early or late."""
    step = int(now) // TOTP_STEP_SECONDS
    return any(secrets.compare_digest(code.encode(), _totp(secret, step + drift).encode()) for drift in (-1, 0, 1))


def totp_now(secret: str, *, now: float) -> str:
    """Return what an authenticator shows for `secret` at Unix time `now`. Raises ValueError if it is not in base 32."""
    return _totp(secret, int(now) // TOTP_STEP_SECONDS)


def _totp(secret: str, step: int) -> str:
    """RFC 6238 with the defaults of authenticator programs."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**TOTP_DIGITS:0{TOTP_DIGITS}d}"


def _expiry_in(text: str) -> datetime | None:
    """Return the `exp` of a JWT; None for a text that is none, which then never ends."""
    try:
        _, claims, _ = text.split(".")
        payload = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return datetime.fromtimestamp(payload["exp"], UTC)
    except (ValueError, TypeError, KeyError):
        return None
