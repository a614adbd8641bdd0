"""Endpoints for a new access token: renewal, and generation with PIN and TOTP.

The broker has them on two hosts, `api` and `auth`; here they share a port. A token can be generated once in two minutes
(reported by users). The texts of refusals are the broker's, as far as they are known.
"""

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from marketdata.dhan.packets import IST_OFFSET_SECONDS
from simulator import answer_faults
from simulator.accounts import Account
from simulator.faults import Faults
from simulator.rate_limits import RateLimit
from simulator.tokens import Token, is_totp

IST = timezone(timedelta(seconds=IST_OFFSET_SECONDS))
# The broker's error for a wrong client id or access token, verbatim.
UNAUTHENTICATED = {
    "errorType": "Invalid_Authentication",
    "errorCode": "DH-901",
    "errorMessage": "Client ID or user generated access token is invalid or expired.",
}


@dataclass(frozen=True, slots=True)
class LoginRules:
    """The secrets for generating a token, and the minimum interval."""

    pin: str = "112233"
    totp_secret: str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105  # Valid for a simulator only.
    every_seconds: float = 120.0  # see the module


DEFAULT_LOGINS = LoginRules()


def routes(account: Account, rules: LoginRules, faults: Faults) -> list[Route]:
    """Return the routes that issue tokens of `account`."""
    logins = _Logins(account, rules, faults)
    return [
        Route("/v2/RenewToken", logins.renew, methods=["GET", "POST"]),
        Route("/app/generateAccessToken", logins.generate, methods=["POST"]),
    ]


class _Logins:
    """The endpoints."""

    def __init__(self, account: Account, rules: LoginRules, faults: Faults) -> None:
        self._account = account
        self._faults = faults
        self._rules = rules
        self._generations = RateLimit(1, rules.every_seconds)

    async def renew(self, request: Request) -> Response:
        shown = request.headers.get("access-token", "")
        is_ours = request.headers.get("dhanClientId") == self._account.client_id
        token = self._account.tokens.renew(shown, now=datetime.now(UTC)) if is_ours else None
        if token is None:
            return Response(orjson.dumps(UNAUTHENTICATED), status_code=401, media_type="application/json")
        return self._issued(token)

    async def generate(self, request: Request) -> Response:
        shown = request.query_params
        now = datetime.now(UTC)
        if shown.get("dhanClientId") != self._account.client_id:
            return _failed("Invalid Client ID")
        if not secrets.compare_digest(shown.get("pin", "").encode(), self._rules.pin.encode()):
            return _failed("Invalid Pin")
        if not is_totp(shown.get("totp", ""), secret=self._rules.totp_secret, now=now.timestamp()):
            return _failed("Invalid TOTP")
        # After the checks: a refused login does not start the two minutes.
        if not self._generations.take(time.monotonic()):
            return _failed("Token can be generated once every 2 minutes", status=429)
        return self._issued(self._account.tokens.issue(now=now, is_renewable=False))

    def _issued(self, token: Token) -> Response:
        end = None if token.expires_at is None else token.expires_at.astimezone(IST)
        body = {
            "dhanClientId": self._account.client_id,
            "dhanClientName": "SIMULATED CLIENT",
            "dhanClientUcc": "SIMU00001A",
            "givenPowerOfAttorney": False,
            "accessToken": token.text,
            "expiryTime": end and f"{end:%Y-%m-%dT%H:%M:%S}.000",
        }
        return answer_faults.respond(body, self._faults)


def _failed(message: str, *, status: int = 400) -> Response:
    body = {"status": "error", "message": message}
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")
