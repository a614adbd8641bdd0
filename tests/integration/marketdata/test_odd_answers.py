"""The broker's REST answers, any of them: odd items are left out, counted for /metrics and logged once."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from marketdata import dhan_api, rest_board
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.profiles import Profile, find_objection
from marketdata.dhan.tokens import EXPIRY_YEARS
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey, InstrumentType
from tests.broker_answers import JSON, QUOTE_ITEMS, make_body, make_item
from tests.brokers import Broker, running_broker

NOW = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
FOLDER = Path("faults") / "10-odd-instrument-in-a-rest-answer"
CALL, OTHER_CALL, THIRD_CALL = (InstrumentKey(ExchangeSegment.NSE_FNO, one) for one in (131533, 131534, 131535))
NIFTY, BANKNIFTY, SENSEX = (InstrumentKey(ExchangeSegment.IDX_I, one) for one in (13, 25, 51))
TOKEN = "eyJ-a-very-secret-token"
US = Credentials("1000000001", TOKEN)
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

pytestmark = pytest.mark.usefixtures("own_board")


@pytest.fixture(autouse=True)
def broker(settings: Settings) -> Iterator[Broker]:
    with running_broker() as broker:
        settings.DHAN_REST_URL = settings.DHAN_AUTH_URL = broker.url
        yield broker


def counted() -> Mapping[tuple[str, str], int]:
    return rest_board.connect().read_odd_items()


def test_one_odd_quote_does_not_spoil_the_others(broker: Broker, reference_data: Path) -> None:
    broker.answer(200, (reference_data / FOLDER / "quote-one-null.json").read_bytes())

    quotes = dhan_api.fetch_quotes([CALL, OTHER_CALL, THIRD_CALL], credentials=US)

    assert {key: quote.ltp for key, quote in quotes.items()} == {OTHER_CALL: 20.5, THIRD_CALL: 31.2}
    assert counted() == {("quote", "null"): 1}


def test_a_quote_with_null_sides_of_the_depth_keeps_its_price(broker: Broker, reference_data: Path) -> None:
    broker.answer(200, (reference_data / FOLDER / "quote-one-with-null-sides.json").read_bytes())

    quotes = dhan_api.fetch_quotes([CALL, OTHER_CALL, THIRD_CALL], credentials=US)

    assert {key: (quote.ltp, quote.depth is None) for key, quote in quotes.items()} == {
        CALL: (12.5, True),
        OTHER_CALL: (20.5, False),
        THIRD_CALL: (31.2, False),
    }
    assert counted() == {("quote", "null_depth"): 1}


def test_one_odd_price_does_not_spoil_the_others(broker: Broker, reference_data: Path) -> None:
    broker.answer(200, (reference_data / FOLDER / "ltp-one-null.json").read_bytes())

    prices = dhan_api.fetch_ltp([NIFTY, BANKNIFTY, SENSEX], credentials=US)

    assert prices == {NIFTY: Decimal("25445.4"), BANKNIFTY: Decimal("59601.1")}
    assert counted() == {("ltp", "null"): 1}


def test_odd_items_are_counted_each_time_and_logged_once_a_kind(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    broker.answer(200, make_body({"NSE_FNO": {"131533": None, "131534": "-", "131535": None}, "NSE_XX": {}}))

    for _ in range(3):
        dhan_api.fetch_quotes([CALL, OTHER_CALL, THIRD_CALL], credentials=US)

    assert counted() == {("quote", "null"): 6, ("quote", "text"): 3, ("quote", "unknown_segment"): 3}
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert "null, first NSE_FNO:131533" in lines[0]


def test_an_answer_that_is_unreadable_as_a_whole_is_counted_and_raised(broker: Broker) -> None:
    for body in (b"no json", b"[]", b"[" * 100_000, make_body(None), make_body([make_item()])):
        broker.answer(200, body)
        with pytest.raises(dhan_api.DhanUnreachable) as raised:
            dhan_api.fetch_quotes([CALL], credentials=US)
        assert raised.value.is_answered

    assert counted() == {("quote", "answer"): 5}


def test_an_answer_that_is_far_too_long_is_not_kept_in_memory(broker: Broker) -> None:
    broker.answer(200, b'{"data":{},"status":"success"}' + b" " * (17 * 1024 * 1024))

    with pytest.raises(dhan_api.DhanUnreachable):
        dhan_api.fetch_ltp([NIFTY], credentials=US)


def test_without_redis_odd_items_are_left_out_all_the_same(broker: Broker, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    broker.answer(200, make_body({"IDX_I": {"13": {"last_price": 25_445.4}, "25": None}}))

    assert dhan_api.fetch_ltp([NIFTY, BANKNIFTY], credentials=US) == {NIFTY: Decimal("25445.4")}


EXAMPLES = 30
"""Chosen: each example asks a server several times; the pure readers get the profile's number in the unit tests."""
ITEMS = st.dictionaries(st.sampled_from(["131533", "131534", "7"]), JSON | QUOTE_ITEMS, max_size=3)
OUTER = st.fixed_dictionaries(
    {"status": st.just("success"), "data": st.dictionaries(st.sampled_from(["NSE_FNO", "NSE_XX"]), JSON | ITEMS)}
)


@given(body=OUTER)
@hypothesis_settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answer_of_the_right_outer_form_is_read(broker: Broker, body: dict[str, object]) -> None:
    broker.answer(200, body)

    assert set(dhan_api.fetch_quotes([CALL, OTHER_CALL], credentials=US)) <= {CALL, OTHER_CALL}
    assert set(dhan_api.fetch_ltp([CALL, OTHER_CALL], credentials=US)) <= {CALL, OTHER_CALL}


ANY_OBJECT = st.fixed_dictionaries(
    {},
    optional={
        "status": JSON,
        "data": JSON,
        "errorCode": JSON,
        "errorMessage": JSON,
        "accessToken": JSON | st.just(TOKEN),
        "token": JSON,
        "expiryTime": JSON | st.datetimes().map(str),
    },
)


@given(status=st.sampled_from([200, 201, 301, 400, 401, 404, 429, 500]), body=JSON | ANY_OBJECT)
@example(status=200, body={"accessToken": "tökën"})
@example(status=400, body={"errorCode": ["DH-905"], "errorMessage": "\x00\ud800"})
@hypothesis_settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answer_is_read_or_raises_an_error_of_the_broker(broker: Broker, status: int, body: object) -> None:
    broker.answer(status, body)

    with suppress(dhan_api.DhanError):
        dhan_api.fetch_quotes([CALL], credentials=US)
    with suppress(dhan_api.DhanError):
        dhan_api.fetch_candle(NIFTY, InstrumentType.INDEX, NOW.date(), credentials=US)
    renewed = issue(lambda: dhan_api.renew_token(US))
    generated = issue(
        lambda: dhan_api.generate_token(client_id="1000000001", pin="112233", totp_secret=TOTP_SECRET, now=NOW)
    )

    for one in (renewed, generated):
        if isinstance(one, str):
            assert one.isprintable()
        else:
            assert one.access_token.isascii()
            assert one.expires_at is None or 2001 <= one.expires_at.year < 2100


PROFILES = st.fixed_dictionaries(
    {},
    optional={
        "dhanClientId": JSON | st.just("1000000001"),
        "tokenValidity": JSON | st.datetimes().map(lambda one: f"{one:%d/%m/%Y %H:%M}"),
        "dataPlan": JSON | st.just("Active"),
        "status": JSON,
        "errorCode": JSON,
        "errorMessage": JSON | st.just(f"{TOKEN} is invalid"),
    },
)


@given(status=st.sampled_from([200, 200, 201, 400, 401, 429, 500]), body=PROFILES)
@example(status=200, body={"dhanClientId": 10**400, "tokenValidity": "31/12/9999 23:59"})
@example(status=200, body={"dhanClientId": " \x00\ud800 ", "tokenValidity": math.nan, "dataPlan": ["Active"]})
@hypothesis_settings(max_examples=EXAMPLES // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_profile_is_read_field_by_field_or_raises_an_error_of_the_broker(
    broker: Broker, status: int, body: dict[str, object]
) -> None:
    broker.answer(status, body)

    profile = profile_of_answer()

    if isinstance(profile, str):
        # Only an error, or an answer without a client id, says nothing about the token.
        assert status >= 400 or body.get("dhanClientId") not in ("1000000001", 1000000001)
        assert profile.isprintable()
        assert TOKEN not in profile
    else:
        assert (status < 300, bool(profile.client_id)) == (True, True)
        assert profile.valid_until is None or profile.valid_until.year in EXPIRY_YEARS
        assert profile.data_plan is None or isinstance(body["dataPlan"], str | int)
        assert find_objection(profile, client_id="1000000001", now=NOW).isprintable()


def profile_of_answer() -> Profile | str:
    """Return the profile, or the text of the error."""
    try:
        return dhan_api.fetch_profile(US)
    except dhan_api.DhanError as error:
        return str(error)


def issue(request: Callable[[], dhan_api.IssuedToken]) -> dhan_api.IssuedToken | str:
    """Return the issued token, or the text of the error."""
    try:
        return request()
    except dhan_api.DhanError as error:
        return str(error)


@pytest.mark.parametrize("token", ["tökën", "two words", "line\nbreak", "", " ", "x" * 5_000, 7, True, ["x"]])
def test_a_token_that_no_header_can_carry_is_refused(broker: Broker, token: object) -> None:
    broker.answer(200, {"accessToken": token})

    with pytest.raises(dhan_api.DhanError):
        dhan_api.renew_token(US)

    assert set(counted()) <= {("token", "form"), ("token", "missing")}


@pytest.mark.parametrize("expiry", ["soon", "0001-01-01T00:00:00", "9999-12-31T23:59:59", 1_780_000_000, ["x"]])
def test_a_token_with_an_odd_expiry_is_taken_without_it(broker: Broker, expiry: object) -> None:
    broker.answer(200, {"accessToken": "good-token", "expiryTime": expiry})

    issued = dhan_api.renew_token(US)

    assert (issued.access_token, issued.expires_at) == ("good-token", None)
    assert counted() == {("token", "time"): 1}


@pytest.mark.parametrize("place", ["errorMessage", "errorCode"])
def test_an_error_contains_no_part_of_the_token_wherever_the_broker_quotes_it(broker: Broker, place: str) -> None:
    quoted = {"errorCode": "DH-905", "errorMessage": "bad", place: "x" * 30 + TOKEN * 10}
    broker.answer(400, quoted)

    with pytest.raises(dhan_api.RequestRefused) as raised:
        dhan_api.fetch_ltp([NIFTY], credentials=US)

    assert "secret" not in str(raised.value)


def test_credentials_that_no_header_can_carry_are_a_refused_login() -> None:
    with pytest.raises(dhan_api.LoginRefused) as raised:
        dhan_api.fetch_ltp([NIFTY], credentials=Credentials("1000000001", "tökën"))

    assert "tök" not in str(raised.value)


def test_bodies_may_contain_values_that_json_does_not_know(broker: Broker) -> None:
    broker.answer(200, json.dumps(make_body({"IDX_I": {"13": {"last_price": float("nan")}}})).encode())

    assert dhan_api.fetch_ltp([NIFTY], credentials=US) == {}
    assert counted() == {("ltp", "not_finite"): 1}
