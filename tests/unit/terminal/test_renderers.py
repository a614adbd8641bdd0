"""JSON of the API: rendering of answers, and refusal of invalid requests."""

from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO

import pytest
from rest_framework.exceptions import ParseError

from terminal.renderers import MAX_BODY_BYTES, JsonParser, JsonRenderer, encode_json


def test_decimals_are_numbers_and_dates_are_iso() -> None:
    body = JsonRenderer().render(
        {
            "strike": Decimal("1612.5000"),
            "expiry": date(2026, 2, 26),
            "at": datetime(2026, 2, 10, 3, 45, tzinfo=UTC),
            "connections": {1: 10},
        }
    )

    assert body == (b'{"strike":1612.5,"expiry":"2026-02-26","at":"2026-02-10T03:45:00Z","connections":{"1":10}}')


def test_unknown_is_null_and_never_zero() -> None:
    assert encode_json({"ltp": None, "change": float("nan"), "rate": float("inf")}) == (
        b'{"ltp":null,"change":null,"rate":null}'
    )


def test_a_value_without_a_json_form_raises_an_error() -> None:
    with pytest.raises(TypeError):
        encode_json({"rows": {1, 2}})


def test_an_answer_without_a_body_is_empty() -> None:
    assert JsonRenderer().render(None) == b""


@pytest.mark.parametrize("body", [b"", b"{", b'{"ltp": NaN}', b"[" * 5_000, b'{"symbol": "\xff"}'])
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        JsonParser().parse(BytesIO(body))


def test_a_body_above_the_size_limit_is_refused() -> None:
    with pytest.raises(ParseError, match="longer than 1000000 bytes"):
        JsonParser().parse(BytesIO(b'"' + b"x" * MAX_BODY_BYTES + b'"'))
