"""Access tokens of the account: their status, and the issue of new ones. Pure: time is an argument.

A token is a JWT that is valid for a day and contains the client id and its expiry (`exp`, true UTC). Its signature is
random, because clients cannot check the broker's either. A new token revokes the one before. The claim
`tokenConsumerType` is SELF for a token made on the web, APP for one generated with PIN and TOTP. Only a valid SELF
token can be renewed (https://dhanhq.co/docs/v2/authentication/, read November 2026).
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import orjson

TOTP_STEP_SECONDS = 30  # RFC 6238, 4.1
TOTP_DIGITS = 6  # RFC 4226, 5.3, and the default of authenticator programs
DEFAULT_HOURS = 24.0  # documented by the broker (Authentication)


class TokenStatus(Enum):
    """The status of a token that a client sends."""

    VALID = auto()
    EXPIRED = auto()
    # Valid before; then a newer token was issued, or all were revoked.
    REVOKED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """An issued token; without `expires_at` it never expires."""

    text: str
    expires_at: datetime | None
    is_renewable: bool = True


class Tokens:
    """The tokens issued for one client id. Only the newest can be valid."""

    def __init__(self, client_id: str, first: str, *, hours: float = DEFAULT_HOURS) -> None:
        self.client_id = client_id
        self.hours = hours
        self._current: Token | None = Token(first, _expiry_in(first))
        self._revoked: dict[str, Token] = {}

    def status(self, text: str, *, now: datetime) -> TokenStatus:
        """Return the status of the token `text` at `now`."""
        # compare_digest as in any login: the time must not depend on the length of the common prefix.
        if self._current is not None and secrets.compare_digest(text.encode(), self._current.text.encode()):
            end = self._current.expires_at
            return TokenStatus.VALID if end is None or now < end else TokenStatus.EXPIRED
        return TokenStatus.REVOKED if text in self._revoked else TokenStatus.UNKNOWN

    def issue(self, *, now: datetime, hours: float | None = None, is_renewable: bool = True) -> Token:
        """Issue a new token; it revokes the one before."""
        expires_at = now + timedelta(hours=self.hours if hours is None else hours)
        self.revoke()
        self._current = Token(self._sign(now, expires_at, "SELF" if is_renewable else "APP"), expires_at, is_renewable)
        return self._current

    def revoke(self) -> None:
        """Revoke every token issued so far."""
        if self._current is not None:
            self._revoked[self._current.text] = self._current
        self._current = None

    def renew(self, text: str, *, now: datetime) -> Token | None:
        """Return a new token for a valid one; None if it is not valid or not renewable."""
        if (
            self.status(text, now=now) is not TokenStatus.VALID
            or self._current is None
            or not self._current.is_renewable
        ):
            return None
        return self.issue(now=now)

    def expires_at(self) -> datetime | None:
        """Return the expiry of the present token; None if it never expires, or there is none."""
        return self._current.expires_at if self._current is not None else None

    def _sign(self, now: datetime, expires_at: datetime, consumer_type: str) -> str:
        claims = {
            "iss": "dhan",
            "partnerId": "",
            "exp": int(expires_at.timestamp()),
            "iat": int(now.timestamp()),
            "tokenConsumerType": consumer_type,
            "webhookUrl": "",
            "dhanClientId": self.client_id,
        }
        parts = (orjson.dumps({"typ": "JWT", "alg": "HS512"}), orjson.dumps(claims), secrets.token_bytes(64))
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def is_totp(code: str, *, secret: str, now: float) -> bool:
    """Return whether `code` is the TOTP of `secret` at Unix time `now`, one step of clock drift allowed."""
    step = int(now) // TOTP_STEP_SECONDS
    return any(secrets.compare_digest(code.encode(), _totp(secret, step + drift).encode()) for drift in (-1, 0, 1))


def totp_now(secret: str, *, now: float) -> str:
    """Return the TOTP of `secret` at Unix time `now`. Raises ValueError if the secret is not base 32."""
    return _totp(secret, int(now) // TOTP_STEP_SECONDS)


def _totp(secret: str, step: int) -> str:
    """Return the code of one time step (RFC 6238) with the defaults of authenticator programs."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    # Dynamic truncation (RFC 4226, 5.3): the last four bits select four bytes; the sign bit is masked.
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**TOTP_DIGITS:0{TOTP_DIGITS}d}"


def _expiry_in(text: str) -> datetime | None:
    """Return the `exp` of a JWT; None for any other text, which then never expires."""
    try:
        _, claims, _ = text.split(".")
        payload = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return datetime.fromtimestamp(payload["exp"], UTC)
    except (ValueError, TypeError, KeyError):
        return None
