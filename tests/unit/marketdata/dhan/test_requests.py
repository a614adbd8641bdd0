"""The JSON requests of a client: as documented, within the limits, and parsed again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.dhan import requests
from marketdata.dhan.requests import Request, RequestCode, RequestError
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey

HDFCBANK = InstrumentKey(ExchangeSegment.NSE_EQ, 1333)
TCS_ON_BSE = InstrumentKey(ExchangeSegment.BSE_EQ, 532540)

keys = st.builds(InstrumentKey, st.sampled_from(ExchangeSegment), st.integers(0, 2**31 - 1))


def test_a_subscription_is_written_as_the_broker_documents_it() -> None:
    text = requests.encode(Request(RequestCode.SUBSCRIBE_TICKER, (HDFCBANK, TCS_ON_BSE)))

    assert json.loads(text) == {
        "RequestCode": 15,
        "InstrumentCount": 2,
        "InstrumentList": [
            {"ExchangeSegment": "NSE_EQ", "SecurityId": "1333"},
            {"ExchangeSegment": "BSE_EQ", "SecurityId": "532540"},
        ],
    }


def test_a_disconnect_request_contains_only_its_code() -> None:
    assert json.loads(requests.encode(Request(RequestCode.DISCONNECT))) == {"RequestCode": 12}


def test_a_request_for_more_than_a_hundred_instruments_is_refused() -> None:
    too_many = tuple(InstrumentKey(ExchangeSegment.NSE_FNO, number) for number in range(101))

    with pytest.raises(RequestError, match="101 instruments"):
        requests.encode(Request(RequestCode.SUBSCRIBE_FULL, too_many))


@pytest.mark.parametrize("security_id", ["1333", 1333], ids=["text", "number"])
def test_ids_are_parsed_from_text_or_number(security_id: object) -> None:
    text = json.dumps(
        {"RequestCode": 21, "InstrumentList": [{"ExchangeSegment": "NSE_EQ", "SecurityId": security_id}], "extra": 1}
    )

    assert requests.decode(text) == Request(RequestCode.SUBSCRIBE_FULL, (HDFCBANK,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "7",
        "{}",
        '{"RequestCode": 11}',
        '{"RequestCode": 23, "InstrumentList": []}',
        '{"RequestCode": 15, "InstrumentList": [{"ExchangeSegment": "NSE_XX", "SecurityId": "1"}]}',
        '{"RequestCode": 15, "InstrumentList": [{"ExchangeSegment": "NSE_EQ", "SecurityId": "x"}]}',
        '{"RequestCode": 15, "InstrumentList": [{"SecurityId": "1"}]}',
        '{"RequestCode": 15, "InstrumentList": 3}',
        '{"RequestCode": 15, "InstrumentList": [{"ExchangeSegment": "NSE_EQ", "SecurityId": Infinity}]}',
        pytest.param("[" * 100_000, id="nested too deep"),
    ],
)
def test_text_that_the_broker_ignores_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        requests.decode(text)


@given(text=st.one_of(st.text(), st.binary()))
def test_arbitrary_text_is_parsed_or_refused(text: str | bytes) -> None:
    try:
        request = requests.decode(text)
    except RequestError:
        return
    assert isinstance(request, Request)


@given(code=st.sampled_from(RequestCode), named=st.lists(keys, max_size=450))
def test_batches_name_every_instrument_once_in_order(code: RequestCode, named: list[InstrumentKey]) -> None:
    batches = list(requests.batches(code, named))

    assert [key for batch in batches for key in batch.instruments] == named
    assert all(1 <= len(batch.instruments) <= 100 and batch.code is code for batch in batches)


@given(code=st.sampled_from([code for code in RequestCode if code is not RequestCode.DISCONNECT]), named=st.lists(keys))
def test_parsing_an_encoded_request_returns_it(code: RequestCode, named: list[InstrumentKey]) -> None:
    request = Request(code, tuple(named[:100]))

    assert requests.decode(requests.encode(request)) == request
