"""One option by every name that the API accepts, the errors that name the fault, and what the list answers."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from marketdata.domain.instruments import ExchangeSegment, InstrumentType
from marketdata.models import Instrument
from subscriptions.models import Claim
from tests.factories import Listing, make_index, put_prices
from watchlists.models import WatchlistEntry

ADD = "/api/v2/watchlist/add"
REMOVE = "/api/v2/watchlist/remove"
OPTION: dict[str, Any] = {"instrument_type": "OPTION"}
LEG = "NIFTY_17FEB2026_25000CE"
BY_STRIKE = {**OPTION, "symbol": "NIFTY", "strike": 25_000, "option_type": "CE"}
VIX = {"symbol": "INDIA VIX", "instrument_type": "INDEX"}


@pytest.fixture(autouse=True)
def vix(listing: Listing) -> Instrument:
    return make_index("INDIA VIX", security_id=21)


@pytest.mark.parametrize(
    "named",
    [
        {**OPTION, "symbol": LEG},
        {**OPTION, "symbol": "nse:nifty_17feb2026_25000.0ce"},
        {**OPTION, "symbol": "NIFTY2621725000CE"},
        {**OPTION, "symbol": "NIFTY-Feb2026-25000-CE", "expiry": "17FEB2026"},
        {**OPTION, "symbol": LEG, "exchange": "NSE", "expiry": "2026-02-17", "strike": "25000.00", "option_type": "CE"},
        {**BY_STRIKE, "expiry": "17FEB2026"},
        {**BY_STRIKE, "symbol": "nifty 50", "expiry": None, "exchange": None, "instrument_id": None},
    ],
)
def test_an_option_is_one_entry_by_every_name_of_it(client_of_asha: APIClient, named: dict[str, Any]) -> None:
    answer = client_of_asha.post(ADD, named)

    assert answer.status_code == 201, answer.content
    entry = answer.json()["entry"]
    assert (entry["symbol"], entry["expiry"], entry["strike"], entry["option_type"]) == (
        "NIFTY",
        "2026-02-17",
        25_000.0,
        "CE",
    )
    assert entry["instrument_id"] == Instrument.objects.get(token=LEG).pk
    again = client_of_asha.post(ADD, {**OPTION, "symbol": LEG})
    assert again.json()["detail"] == "NIFTY 17 Feb 25,000 CE is on your list already."
    assert client_of_asha.post(REMOVE, named).json()["entry"]["id"] == entry["id"]


@pytest.mark.parametrize(
    ("body", "status", "code", "detail"),
    [
        ({**OPTION, "symbol": "NOSUCH"}, 404, "unknown_symbol", "'NOSUCH'"),
        ({**OPTION, "symbol": "NIFTY_17FEB2026_25001CE"}, 404, "unknown_symbol", "25001CE"),
        ({**OPTION, "instrument_id": 2**62}, 404, "unknown_symbol", "No listed instrument has the id"),
        ({**BY_STRIKE, "symbol": "INDIA VIX"}, 404, "no_options", "INDIA VIX"),
        ({**BY_STRIKE, "expiry": "18FEB2026"}, 404, "unknown_expiry", "17FEB2026"),
        ({**BY_STRIKE, "expiry": "27JAN2026"}, 400, "past_expiry", "27JAN2026"),
        (
            {**BY_STRIKE, "strike": 25_001},
            404,
            "unknown_strike",
            "NIFTY 17 Feb has no 25,001 CE; the nearest listed strikes are 24,950, 25,000, 25,050.",
        ),
        ({**OPTION, "symbol": "NIFTY"}, 400, "wrong_instrument_type", "give expiry, strike and option_type"),
        ({**OPTION, "symbol": "CRUDEOIL"}, 400, "wrong_instrument_type", "give expiry, strike and option_type"),
        ({**OPTION, "symbol": "CRUDEOIL_19FEB2026_FUT"}, 400, "wrong_instrument_type", "is a future, not an option"),
        ({**OPTION, "symbol": LEG, "expiry": "24FEB2026"}, 400, "contradictory_expiry", "17FEB2026, not on 24FEB2026"),
        (
            {**OPTION, "symbol": LEG, "strike": 25_000, "option_type": "PE"},
            400,
            "contradictory_strike",
            f"{LEG} is not 25,000 PE.",
        ),
        ({**OPTION, "symbol": "NIFTY-Feb2026-25000-CE"}, 409, "ambiguous_symbol", "17FEB2026, 24FEB2026"),
        ({"symbol": "TCS", "instrument_type": "INDEX"}, 400, "wrong_instrument_type", "TCS is a stock, not an index."),
        ({"symbol": "CRUDEOIL", "instrument_type": "INDEX"}, 400, "wrong_instrument_type", "is a commodity"),
        ({"symbol": LEG, "instrument_type": "INDEX"}, 400, "wrong_instrument_type", "is an option, not an index."),
        ({**VIX, "expiry": "17FEB2026"}, 400, "wrong_instrument_type", "An index has no expiry"),
        ({**VIX, "strike": 1, "option_type": "CE"}, 400, "wrong_instrument_type", "name one OPTION, not INDEX"),
        ({**VIX, "symbol": "NOSUCH"}, 404, "unknown_symbol", "'NOSUCH'"),
    ],
)
def test_a_refusal_names_the_fault_and_writes_nothing(
    client_of_asha: APIClient, body: dict[str, Any], status: int, code: str, detail: str
) -> None:
    answer = client_of_asha.post(ADD, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert detail in answer.json()["detail"]
    assert not WatchlistEntry.objects.exists()
    assert not Claim.objects.exists()


@pytest.mark.parametrize("kind", ["EQUITY", "FUTURE", "INDEX", "INDEX_OPTION"])
def test_the_id_of_an_option_is_refused_as_another_kind(client_of_asha: APIClient, kind: str) -> None:
    leg = Instrument.objects.get(token=LEG)

    answer = client_of_asha.post(ADD, {"instrument_id": leg.pk, "instrument_type": kind})

    assert (answer.status_code, answer.json()["code"]) == (400, "wrong_instrument_type")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({**OPTION, "instrument_id": 1, "symbol": LEG}, ["symbol"]),
        ({**OPTION, "instrument_id": 1, "expiry": "17FEB2026", "exchange": "NSE"}, ["exchange", "expiry"]),
        ({**OPTION, "instrument_id": 0}, ["instrument_id"]),
        ({**OPTION, "symbol": "NIFTY", "strike": 25_000}, ["option_type"]),
        ({**OPTION, "symbol": "NIFTY", "option_type": "CE"}, ["strike"]),
        ({**BY_STRIKE, "option_type": "C"}, ["option_type"]),
        ({**BY_STRIKE, "strike": -1}, ["strike"]),
        ({**BY_STRIKE, "strike": "NaN"}, ["strike"]),
    ],
)
@pytest.mark.parametrize("path", [ADD, REMOVE])
def test_a_wrong_body_is_refused_by_field(
    client_of_asha: APIClient, path: str, body: dict[str, Any], fields: list[str]
) -> None:
    answer = client_of_asha.post(path, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), answer.content
    assert sorted(answer.json()["errors"]) == fields


def test_an_addition_without_a_name_is_refused_by_field(client_of_asha: APIClient) -> None:
    answer = client_of_asha.post(ADD, OPTION)

    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["symbol"])


def test_a_currency_option_is_refused(client_of_asha: APIClient) -> None:
    segment = ExchangeSegment.NSE_CURRENCY
    Instrument.objects.filter(token=LEG).update(exchange_segment=segment, instrument_type=InstrumentType.OPTCUR)

    answer = client_of_asha.post(ADD, {**OPTION, "symbol": LEG})

    assert (answer.status_code, answer.json()["code"]) == (400, "wrong_instrument_type")
    assert "currency pair" in answer.json()["detail"]


def test_of_several_options_each_is_removed_by_its_own_name(client_of_asha: APIClient) -> None:
    for option_type in ("CE", "PE"):
        assert client_of_asha.post(ADD, {**BY_STRIKE, "option_type": option_type}).status_code == 201

    ambiguous = client_of_asha.post(REMOVE, {**OPTION, "symbol": "NIFTY"})
    other = client_of_asha.post(REMOVE, {**BY_STRIKE, "strike": 25_050})
    contradictory = client_of_asha.post(REMOVE, {**OPTION, "symbol": LEG, "expiry": "24FEB2026"})

    assert (ambiguous.status_code, ambiguous.json()["code"]) == (409, "ambiguous_entry")
    assert ambiguous.json()["detail"] == "Several entries match 'NIFTY'; give expiry, strike and option_type."
    assert [one.json()["code"] for one in (other, contradictory)] == ["unknown_entry", "unknown_entry"]
    assert client_of_asha.post(REMOVE, BY_STRIKE).json()["entry"]["option_type"] == "CE"
    # The symbol suffices for the last one.
    assert client_of_asha.post(REMOVE, {**OPTION, "symbol": "NIFTY"}).json()["entry"]["option_type"] == "PE"


def test_the_list_gives_the_quotes_and_the_strike_of_an_option_and_null_for_others(
    client_of_asha: APIClient, vix: Instrument
) -> None:
    leg = Instrument.objects.get(token=LEG)
    for body in (BY_STRIKE, VIX, {"symbol": "CRUDEOIL", "instrument_type": "FUTURE"}):
        client_of_asha.post(ADD, body)
    client_of_asha.post(ADD, {"symbol": "RELIANCE", "instrument_type": "STOCK_OPTION"})
    put_prices({leg.pk: 138.9, vix.pk: 12.4})

    entries = client_of_asha.get("/api/v2/watchlist/me").json()["entries"]

    names = [(one["strike"], one["option_type"]) for one in entries]
    assert names == [(25_000.0, "CE"), (None, None), (None, None), (None, None)]
    quoted = [(one["quoted_instrument_id"], one["quote"]["ltp"]) for one in entries[:2]]
    assert quoted == [(leg.pk, 138.9), (vix.pk, 12.4)]
