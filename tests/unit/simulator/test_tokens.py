"""Status of access tokens."""

import base64
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from simulator.tokens import Tokens, TokenStatus, is_totp, totp_now

now = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def test_only_the_newest_token_is_valid() -> None:
    tokens = Tokens("1", "first")
    assert tokens.status("first", now=now) is TokenStatus.VALID

    newer = tokens.issue(now=now)

    assert tokens.status("first", now=now) is TokenStatus.REVOKED
    assert tokens.status(newer.text, now=now) is TokenStatus.VALID
    assert tokens.status("never", now=now) is TokenStatus.UNKNOWN


@pytest.mark.parametrize(("is_renewable", "consumer_type"), [(True, "SELF"), (False, "APP")])
def test_a_generated_token_states_another_consumer_than_one_of_the_web(
    *, is_renewable: bool, consumer_type: str
) -> None:
    issued = Tokens("1", "first").issue(now=now, is_renewable=is_renewable)

    claims = issued.text.split(".")[1]
    stated = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))

    assert (stated["tokenConsumerType"], stated["dhanClientId"]) == (consumer_type, "1")


def test_a_token_expires_at_the_time_in_its_claims() -> None:
    issued = Tokens("1", "first", hours=1).issue(now=now)
    shown_again = Tokens("1", issued.text)

    assert shown_again.expires_at() == now + timedelta(hours=1)
    assert shown_again.status(issued.text, now=now + timedelta(minutes=59)) is TokenStatus.VALID
    assert shown_again.status(issued.text, now=now + timedelta(hours=1)) is TokenStatus.EXPIRED
    assert shown_again.renew(issued.text, now=now + timedelta(hours=1)) is None


def test_a_token_without_claims_never_expires() -> None:
    assert Tokens("1", "a.b.c").expires_at() is None
    assert Tokens("1", "sim-token").expires_at() is None


# RFC 6238, appendix B, with six digits.
@pytest.mark.parametrize(("second", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_totp_codes_equal_those_of_rfc_6238(second: int, code: str) -> None:
    assert totp_now(RFC_SECRET, now=second) == code
    assert is_totp(code, secret=RFC_SECRET, now=second + 30)
    assert not is_totp(code, secret=RFC_SECRET, now=second + 61)
