"""The expiry of access tokens and the choice of the next step, without a broker or a clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan.credentials import Credentials
from marketdata.dhan.disconnects import describe
from marketdata.dhan.tokens import (
    GENERATE_INTERVAL,
    RETRY_MOST,
    Step,
    TokenMalformed,
    check_entered,
    last_four,
    may_be_the_token,
    next_step,
    read_expiry,
    retry_after,
)
from tests.jwts import make_jwt

NOW = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def step_for(
    *,
    expires_at: datetime | None = None,
    is_refused: bool = False,
    failures: int = 0,
    retry_at: datetime | None = None,
    can_generate: bool = False,
) -> Step:
    return next_step(
        expires_at=expires_at,
        is_refused=is_refused,
        failures=failures,
        retry_at=retry_at,
        can_generate=can_generate,
        margin=2 * HOUR,
        now=NOW,
    )


def test_the_expiry_of_a_token_is_read_from_its_claims() -> None:
    assert read_expiry(make_jwt(expires_at=NOW)) == NOW


@pytest.mark.parametrize(
    "token",
    [
        "",
        "sim-token",
        "a.b.c",
        "..",
        make_jwt(claims={}),
        make_jwt(claims={"exp": "tomorrow"}),
        make_jwt(claims={"exp": True}),
        make_jwt(claims={"exp": 1e300}),
    ],
)
def test_a_token_without_a_valid_exp_claim_has_an_unknown_expiry(token: str) -> None:
    assert read_expiry(token) is None


@given(token=st.text() | st.builds(lambda payload: f"a.{payload}.c", st.text()))
def test_arbitrary_text_raises_no_error_when_claims_are_read(token: str) -> None:
    assert read_expiry(token) is None or isinstance(read_expiry(token), datetime)


def test_only_the_last_characters_of_a_long_token_are_shown() -> None:
    assert last_four(make_jwt(expires_at=NOW, signature="xyzw9876")) == "9876"
    assert last_four("sim-token") == ""


def test_credentials_do_not_show_their_token() -> None:
    assert "secret" not in repr(Credentials("100", "secret"))
    assert "secret" not in f"{Credentials('100', 'secret')}"


def test_a_token_is_renewed_within_its_margin_and_not_before() -> None:
    assert step_for(expires_at=NOW + 3 * HOUR) is Step.NOTHING
    assert step_for(expires_at=NOW + 2 * HOUR) is Step.RENEW
    assert step_for(expires_at=NOW + 2 * HOUR, can_generate=True) is Step.GENERATE


def test_an_expired_token_can_only_be_replaced_by_generation() -> None:
    assert step_for(expires_at=NOW) is Step.NOTHING
    assert step_for(expires_at=NOW, can_generate=True) is Step.GENERATE


def test_a_token_of_unknown_expiry_is_renewed_only_if_it_is_refused() -> None:
    assert step_for() is Step.NOTHING
    assert step_for(is_refused=True) is Step.RENEW
    assert step_for(is_refused=True, can_generate=True) is Step.GENERATE


def test_a_refused_token_is_renewed_once_and_then_left_to_staff() -> None:
    assert step_for(is_refused=True, failures=1) is Step.NOTHING
    assert step_for(is_refused=True, failures=1, can_generate=True) is Step.GENERATE


def test_a_missing_data_subscription_causes_no_renewal() -> None:
    assert [code for code in range(800, 815) if not may_be_the_token(describe(code))] == [806, 810]
    assert may_be_the_token("the handshake was refused with 400")


def test_after_a_failure_no_attempt_is_made_before_the_backoff_ends() -> None:
    due = NOW + HOUR

    assert step_for(expires_at=due, failures=1, retry_at=NOW + timedelta(seconds=1)) is Step.NOTHING
    assert step_for(expires_at=due, failures=1, retry_at=NOW) is Step.RENEW


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_backoff_grows_to_15_minutes_and_generation_has_a_minimum_interval(failures: int, chance: float) -> None:
    wait = retry_after(step=Step.RENEW, failures=failures, chance=chance)

    assert timedelta(seconds=15) <= wait <= RETRY_MOST
    assert retry_after(step=Step.GENERATE, failures=failures, chance=chance) == max(wait, GENERATE_INTERVAL)


@pytest.mark.parametrize(
    ("client_id", "token", "message"),
    [
        ("", "x", "client id"),
        ("100 1", "x", "client id"),
        ("100", "", "between 1 and"),
        ("100", "x" * 5_000, "between 1 and"),
        ("100", "two words", "space"),
        ("100", "line\nbreak", "space"),
        ("100", "café", "letter"),
        ("100", make_jwt(expires_at=NOW), "expired"),
        ("100", make_jwt(claims={"dhanClientId": "200"}), "another client id"),
    ],
)
def test_an_invalid_token_is_refused_without_being_quoted(client_id: str, token: str, message: str) -> None:
    with pytest.raises(TokenMalformed, match=message) as refusal:
        check_entered(client_id=client_id, access_token=token, now=NOW)

    assert len(token) < 2 or token not in str(refusal.value)


def test_an_opaque_token_and_one_of_the_account_are_accepted() -> None:
    check_entered(client_id="100", access_token="sim-token", now=NOW)
    check_entered(client_id="100", access_token=make_jwt(expires_at=NOW + HOUR, client_id="100"), now=NOW)
