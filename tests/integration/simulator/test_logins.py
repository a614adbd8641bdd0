"""Access tokens of the simulator: renewed, generated or created on the web; each revokes the previous one."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from simulator.logins import DEFAULT_LOGINS
from simulator.tokens import totp_now
from tests.simulators import PLAIN_HTTP, SimulatorAddress, running_simulator


def is_accepted(simulator: SimulatorAddress, token: str) -> bool:
    headers = {"access-token": token}
    return httpx.get(f"{simulator.rest_url}/profile", headers=headers, trust_env=False, verify=PLAIN_HTTP).is_success


def claims_of(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def renew(simulator: SimulatorAddress, token: str, *, client_id: str | None = None) -> httpx.Response:
    headers = {"access-token": token, "dhanClientId": client_id or simulator.client_id}
    return httpx.get(f"{simulator.rest_url}/RenewToken", headers=headers, trust_env=False, verify=PLAIN_HTTP)


def generate(simulator: SimulatorAddress, **shown: str) -> httpx.Response:
    code = totp_now(DEFAULT_LOGINS.totp_secret, now=time.time())
    query = {"dhanClientId": simulator.client_id, "pin": DEFAULT_LOGINS.pin, "totp": code} | shown
    url = simulator.rest_url.removesuffix("/v2") + "/app/generateAccessToken"
    return httpx.post(url, params=query, trust_env=False, verify=PLAIN_HTTP)


def test_a_renewed_token_revokes_the_old_one_and_has_an_expiry() -> None:
    with running_simulator(token_hours=12) as simulator:
        answer = renew(simulator, simulator.access_token)

        token = answer.json()["accessToken"]
        assert is_accepted(simulator, token)
        assert not is_accepted(simulator, simulator.access_token)
        assert claims_of(token)["dhanClientId"] == simulator.client_id
        ends_at = datetime.fromtimestamp(int(str(claims_of(token)["exp"])), UTC)
        assert timedelta(hours=11.9) < ends_at - datetime.now(UTC) <= timedelta(hours=12)
        answered = datetime.fromisoformat(answer.json()["expiryTime"]).replace(tzinfo=UTC) - timedelta(seconds=19_800)
        assert answered == ends_at

        assert renew(simulator, simulator.access_token).status_code == 401
        assert renew(simulator, token, client_id="2").status_code == 401
        assert renew(simulator, token).is_success


def test_an_expired_or_revoked_token_is_neither_accepted_nor_renewed() -> None:
    with running_simulator() as simulator:
        expired = simulator.new_token(hours=-1)
        assert not is_accepted(simulator, expired)
        assert renew(simulator, expired).json()["errorCode"] == "DH-901"

        token = simulator.new_token()
        assert is_accepted(simulator, token)
        simulator.set_fault("token_rollover")
        assert not is_accepted(simulator, token)
        assert renew(simulator, token).status_code == 401


def test_rest_distinguishes_revoked_expired_and_unknown_tokens() -> None:
    """As at the broker: the answer for a revoked token is the one for a failed order."""
    with running_simulator() as simulator:
        expired = simulator.new_token(hours=-1)
        answers = [
            httpx.get(
                f"{simulator.rest_url}/profile", headers={"access-token": token}, trust_env=False, verify=PLAIN_HTTP
            )
            for token in (simulator.access_token, expired, "never issued")
        ]

    answered = [(answer.status_code, answer.json()["errorCode"]) for answer in answers]
    assert answered == [(400, "DH-906"), (401, "DH-901"), (401, "DH-901")]
    assert answers[0].json()["errorMessage"] == "Invalid Token"


def test_a_token_is_generated_with_pin_and_totp_and_cannot_be_renewed() -> None:
    with running_simulator() as simulator:
        answer = generate(simulator)

        token = answer.json()["accessToken"]
        assert is_accepted(simulator, token)
        assert not is_accepted(simulator, simulator.access_token)
        assert renew(simulator, token).status_code == 401
        assert generate(simulator).json() == {
            "status": "error",
            "message": "Token can be generated once every 2 minutes",
        }


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({"pin": "000000"}, "Invalid Pin"),
        ({"totp": "abcdef"}, "Invalid TOTP"),
        ({"dhanClientId": "2"}, "Invalid Client ID"),
    ],
)
def test_a_wrong_pin_code_or_client_generates_nothing(shown: dict[str, str], words: str) -> None:
    with running_simulator() as simulator:
        answer = generate(simulator, **shown)

        assert answer.status_code == 400
        assert answer.json()["message"] == words
        assert generate(simulator).is_success
