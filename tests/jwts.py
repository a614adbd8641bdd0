"""Access tokens in the broker's form: a JWT with the claims that we read and a signature that is not checked."""

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any


def make_jwt(
    *,
    expires_at: datetime | None = None,
    client_id: str | None = None,
    claims: Mapping[str, Any] | None = None,
    signature: str = "c2lnbmF0dXJl",
) -> str:
    """Return a token with the given claims; without `claims` it has the broker's usual ones."""
    if claims is None:
        claims = {"iss": "dhan", "tokenConsumerType": "SELF"}
        claims |= {} if expires_at is None else {"exp": int(expires_at.timestamp())}
        claims |= {} if client_id is None else {"dhanClientId": client_id}
    return f"{_part({'typ': 'JWT', 'alg': 'HS512'})}.{_part(claims)}.{signature}"


def _part(content: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
