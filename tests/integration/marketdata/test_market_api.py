"""Chains, expiries and searches over HTTP."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quote_rows import Known
from marketdata.models import AtmCache
from tests import changing_lists as lists
from tests.brokers import running_broker
from tests.factories import NEAR, NOW, Listing, make_equity, make_future, make_listing, make_user, put_prices

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]


@pytest.fixture(autouse=True)
def outside(settings: Settings) -> Iterator[None]:
    settings.MARKET_DATE = date(2026, 2, 10)
    with running_broker() as broker:
        settings.DHAN_REST_URL = broker.url
        yield


@pytest.fixture
def market() -> Listing:
    return make_listing()


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_authenticate(make_user())
    return client


def read(client: APIClient, path: str, *, status: int = 200, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v2/{path}", query)
    assert answer.status_code == status, answer.content
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    "path",
    ["option-chain/NIFTY", "option-chain/NIFTY/expiries", "instruments/search?q=rel", "instruments/NIFTY/expiries"],
)
def test_everything_needs_a_login(path: str) -> None:
    assert APIClient().get(f"/api/v2/{path}").status_code == 401


def test_a_chain_has_live_quotes_and_null_for_unknown_values(market: Listing, client: APIClient) -> None:
    spot = market.spots["RELIANCE"]
    put_prices({spot.pk: 2_611.35})
    first = read(client, "option-chain/RELIANCE", strikes=3)
    call = first["strikes"][1]["ce"]
    put_prices({call["instrument_id"]: 61.05})

    chain = read(client, "option-chain/reliance", expiry="24FEB2026", strikes=3)

    assert (chain["symbol"], chain["exchange"], chain["expiry"], chain["expiry_display"]) == (
        "RELIANCE",
        "NSE",
        "2026-02-24",
        "24FEB2026",
    )
    assert (chain["spot"]["token"], chain["spot"]["ltp"], chain["spot"]["source"]) == ("RELIANCE", 2611.35, "quote")
    assert (chain["atm"], chain["strike_step"], chain["width"]) == (2620, 20, 3)
    assert [(row["strike"], row["is_atm"]) for row in chain["strikes"]] == [(2600, False), (2620, True), (2640, False)]
    leg = chain["strikes"][1]["ce"]
    assert (leg["token"], leg["ltp"], leg["source"]) == ("RELIANCE_24FEB2026_2620CE", 61.05, "quote")
    assert leg["at"] == "2026-02-10T04:30:00Z"
    assert {name: leg[name] for name in ("bid", "ask", "volume", "oi", "change", "previous_close")} == dict.fromkeys(
        ("bid", "ask", "volume", "oi", "change", "previous_close")
    )
    assert chain["strikes"][0]["pe"]["ltp"] is None


def test_the_default_width_is_101_for_indices_and_25_for_the_rest(market: Listing, client: APIClient) -> None:
    put_prices({market.spots["NIFTY"].pk: 25_012.35, market.spots["CRUDEOIL"].pk: 5_812})

    assert len(read(client, "option-chain/NIFTY50")["strikes"]) == 101
    assert len(read(client, "option-chain/CRUDEOIL")["strikes"]) == 25


def test_the_default_expiry_is_the_nearest(market: Listing, client: APIClient) -> None:
    assert read(client, "option-chain/NIFTY", ltp=25_000)["expiry"] == "2026-02-17"


@pytest.mark.parametrize("name", ["ltp", "underlying_ltp"])
def test_the_price_of_a_caller_is_used_without_another_price_and_not_stored(
    market: Listing, client: APIClient, name: str
) -> None:
    chain = read(client, f"option-chain/RELIANCE?{name}=2651")

    assert (chain["atm"], chain["spot"]["source"]) == (2660, "caller")
    assert not AtmCache.objects.exists()


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("option-chain/NOPE", {}, 404, "unknown_symbol"),
        ("option-chain/RELIANCE", {"exchange": "MCX"}, 404, "unknown_symbol"),
        ("option-chain/RELIANCE", {"expiry": "25FEB2026"}, 404, "unknown_expiry"),
        ("option-chain/RELIANCE", {"expiry": "03FEB2026"}, 400, "past_expiry"),
        ("option-chain/RELIANCE", {"expiry": "26-02-2026"}, 400, "malformed_date"),
        ("option-chain/RELIANCE", {}, 409, "no_price"),
        ("option-chain/RELIANCE", {"strikes": "0"}, 400, "invalid"),
        ("option-chain/RELIANCE", {"ltp": "-5"}, 400, "invalid"),
        ("option-chain/RELIANCE", {"ltp": "NaN"}, 400, "invalid"),
        ("option-chain/RELIANCE", {"exchange": "NYSE"}, 400, "invalid"),
        ("option-chain/TINY", {}, 404, "no_options"),
        ("option-chain/TINY/expiries", {}, 404, "no_options"),
        ("option-chain/NOPE/expiries", {}, 404, "unknown_symbol"),
        ("instruments/NOPE/expiries", {}, 404, "unknown_symbol"),
        ("instruments/search", {"q": "x" * 65}, 400, "query_too_long"),
        ("instruments/search", {"q": "x", "limit": "1000"}, 400, "invalid"),
    ],
)
def test_refusals_have_a_status_and_a_code(
    market: Listing, client: APIClient, path: str, query: dict[str, Any], status: int, code: str
) -> None:
    make_equity("TINY")

    problem = read(client, path, status=status, **query)

    assert problem["code"] == code
    assert problem["detail"]


def test_an_unlisted_expiry_names_the_nearest_ones(market: Listing, client: APIClient) -> None:
    problem = read(client, "option-chain/NIFTY", status=404, expiry="2026-02-18")

    assert problem["expiries"] == ["2026-02-17", "2026-02-24"]


def test_the_default_list_has_expiries_with_options(market: Listing, client: APIClient) -> None:
    answer = read(client, "option-chain/NIFTY/expiries")

    assert answer["symbol"] == "NIFTY"
    assert answer["expiries"] == [
        {
            "expiry": "2026-02-17",
            "display": "17FEB2026",
            "kind": "weekly",
            "days_left": 7,
            "has_options": True,
            "has_futures": False,
            "over": False,
        },
        {
            "expiry": "2026-02-24",
            "display": "24FEB2026",
            "kind": "monthly",
            "days_left": 14,
            "has_options": True,
            "has_futures": False,
            "over": False,
        },
    ]


def test_the_list_of_all_expiries_has_those_of_futures(market: Listing, client: APIClient) -> None:
    options = read(client, "option-chain/CRUDEOIL/expiries")["expiries"]
    everything = read(client, "instruments/CRUDEOIL/expiries")["expiries"]

    assert [row["expiry"] for row in options] == ["2026-02-17"]
    assert [row["expiry"] for row in everything] == ["2026-02-17", "2026-02-19", "2026-03-19"]


def test_a_search_returns_hits_and_the_items_that_can_be_added(market: Listing, client: APIClient) -> None:
    answer = read(client, "instruments/search", q="rel")

    assert answer["query"] == "rel"
    assert answer["results"][0] == {
        "instrument_id": market.spots["RELIANCE"].pk,
        "token": "RELIANCE",
        "symbol": "RELIANCE",
        "display_name": "Reliance",
        "exchange": "NSE",
        "exchange_segment": "NSE_EQ",
        "instrument_type": "EQUITY",
        "expiry": None,
        "expiry_display": None,
        "strike": None,
        "option_type": None,
        "lot_size": 1,
        "spot_instrument_id": None,
        "over": False,
        "ltp": None,
        "ltp_at": None,
        "moneyness": None,
        "offers": [
            {"instrument_type": "EQUITY", "expiries": []},
            {"instrument_type": "STOCK_OPTION", "expiries": [{"expiry": "2026-02-24", "display": "24FEB2026"}]},
        ],
    }


def test_the_strike_of_a_found_leg_is_a_number_as_in_a_chain(market: Listing, client: APIClient) -> None:
    make_future("NIFTY", segment=ExchangeSegment.NSE_FNO, expiry=date(2026, 2, 24), underlying=market.spots["NIFTY"])

    hits = read(client, "instruments/search", q="nifty 25000 ce 17 feb")["results"]

    assert [(hit["token"], hit["strike"]) for hit in hits] == [
        ("NIFTY_17FEB2026_25000CE", 25000.0),
        ("NIFTY_24FEB2026_25000CE", 25000.0),
    ]


def test_hits_have_last_prices_and_options_whether_they_are_in_the_money(market: Listing, client: APIClient) -> None:
    spot = market.spots["NIFTY"]
    make_future("NIFTY", segment=ExchangeSegment.NSE_FNO, expiry=date(2026, 2, 24), underlying=spot)
    without = read(client, "instruments/search", q="nifty 25000 ce", limit=1)["results"][0]
    put_prices({spot.pk: 25_017.5, without["instrument_id"]: 138.9})

    call = read(client, "instruments/search", q="nifty 25000 ce", limit=1)["results"][0]
    put = read(client, "instruments/search", q="nifty 25000 pe", limit=1)["results"][0]

    assert (without["ltp"], without["ltp_at"], without["moneyness"]) == (None, None, None)
    assert (call["ltp"], call["moneyness"], call["spot_instrument_id"]) == (138.9, "itm", spot.pk)
    assert datetime.fromisoformat(call["ltp_at"]) == NOW
    assert (put["ltp"], put["moneyness"]) == (None, "otm")


def test_an_old_price_of_the_underlying_judges_no_option(market: Listing, client: APIClient) -> None:
    spot = market.spots["NIFTY"]
    make_future("NIFTY", segment=ExchangeSegment.NSE_FNO, expiry=date(2026, 2, 24), underlying=spot)
    put_prices({spot.pk: 25_017.5}, known=Known.TRADE | Known.EARLIER)

    index = read(client, "instruments/search", q="nifty", limit=1)["results"][0]
    call = read(client, "instruments/search", q="nifty 25000 ce", limit=1)["results"][0]

    assert (index["ltp"], datetime.fromisoformat(index["ltp_at"])) == (25_017.5, NOW)
    assert call["moneyness"] is None


def test_a_search_without_redis_finds_the_same_hits_without_prices(
    market: Listing, client: APIClient, settings: Settings
) -> None:
    put_prices({market.spots["RELIANCE"].pk: 1_402.0})
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    hits = read(client, "instruments/search", q="rel")["results"]

    assert [(hit["token"], hit["ltp"]) for hit in hits] == [("RELIANCE", None)]


@pytest.mark.parametrize(
    ("query", "first", "meant"),
    [
        ("relaince", "RELIANCE", "RELIANCE"),
        ("relaince 2600 ce", "RELIANCE_24FEB2026_2600CE", "RELIANCE 2600 CE"),
        ("reliance", "RELIANCE", None),
        ("relia", "RELIANCE", None),
        ("crude oil", "CRUDEOIL_19FEB2026_FUT", None),
        ("crude oi", "CRUDEOIL_19FEB2026_FUT", None),
        ("crud oil", "CRUDEOIL_19FEB2026_FUT", "CRUDEOIL"),
    ],
)
def test_only_a_misspelled_query_is_answered_with_what_it_may_mean(
    market: Listing, client: APIClient, query: str, first: str, meant: str | None
) -> None:
    make_future("RELIANCE", segment=ExchangeSegment.NSE_FNO, expiry=NEAR, underlying=market.spots["RELIANCE"])

    answer = read(client, "instruments/search", q=query)

    assert answer["results"][0]["token"] == first
    assert answer["did_you_mean"] == meant


@pytest.mark.parametrize(
    ("query", "first"),
    [("natural gas", "NATURALGAS_24FEB2026_FUT"), ("natural gas fut", "NATURALGAS_24FEB2026_FUT"), ("l&t", "LT")],
)
def test_common_names_find_their_symbol_without_a_correction(
    market: Listing, client: APIClient, query: str, first: str
) -> None:
    make_equity("LT")
    make_future("NATURALGAS", segment=ExchangeSegment.MCX_COMM, expiry=NEAR)

    answer = read(client, "instruments/search", q=query)

    assert (answer["results"][0]["token"], answer["did_you_mean"]) == (first, None)


def test_the_etag_of_a_search_changes_with_the_prices_of_its_hits(client: APIClient, imported: Sequence[str]) -> None:
    path = "/api/v2/instruments/search?q=nif"
    first = client.get(path)
    put_prices({first.json()["results"][0]["instrument_id"]: 25_000.0})

    after = client.get(path, headers={"If-None-Match": first["ETag"]})
    again = client.get(path, headers={"If-None-Match": after["ETag"]})

    assert (after.status_code, after.json()["results"][0]["ltp"]) == (200, 25_000.0)
    assert again.status_code == 304


def test_an_empty_search_finds_nothing(market: Listing, client: APIClient) -> None:
    assert read(client, "instruments/search", q="")["results"] == []
    assert read(client, "instruments/search")["results"] == []


def test_the_endpoints_are_browsable(market: Listing, client: APIClient) -> None:
    put_prices({market.spots["RELIANCE"].pk: float(np.float32(2_611.35))})

    page = client.get("/api/v2/option-chain/RELIANCE?strikes=3", headers={"accept": "text/html"})

    assert page.status_code == 200
    assert b"RELIANCE_24FEB2026_2620CE" in page.content


@pytest.fixture
def imported(settings: Settings, tmp_path: Path, own_board: None) -> Sequence[str]:
    """The rows of a small market that was imported."""
    return lists.start_market(settings, tmp_path)


@pytest.mark.parametrize(
    "path", ["option-chain/NIFTY/expiries", "instruments/NIFTY/expiries", "instruments/search?q=nif"]
)
def test_an_unchanged_answer_has_no_body_until_an_import(
    client: APIClient, imported: Sequence[str], tmp_path: Path, path: str
) -> None:
    first = client.get(f"/api/v2/{path}")
    again = client.get(f"/api/v2/{path}", headers={"If-None-Match": first["ETag"]})

    lists.import_list(tmp_path, lists.replaced(imported, ("2026-02-17", "2026-02-16")), now=NOW + timedelta(hours=1))
    after = client.get(f"/api/v2/{path}", headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert first["Cache-Control"] == "private, no-cache"
    assert (after.status_code, after.json() == first.json()) == (200, False)


def test_an_etag_is_of_one_query_and_one_form(client: APIClient, imported: Sequence[str]) -> None:
    addresses = ["/api/v2/instruments/search?q=nif", "/api/v2/instruments/search?q=nif&limit=1"]

    answers = [client.get(one) for one in addresses] + [client.get(addresses[0], headers={"Accept": "text/html"})]

    assert len({one["ETag"] for one in answers}) == 3


def test_an_etag_ends_with_the_session_that_ends_an_expiry(
    client: APIClient, imported: Sequence[str], settings: Settings
) -> None:
    path = "/api/v2/option-chain/NIFTY/expiries"
    before = client.get(path)
    settings.MARKET_DATE = lists.WEEKLY + timedelta(days=1)

    after = client.get(path, headers={"If-None-Match": before["ETag"]})

    assert (after.status_code, len(after.json()["expiries"])) == (200, len(before.json()["expiries"]) - 1)


@pytest.mark.parametrize("path", ["option-chain/NIFTY/expiries", "instruments/search?q=nif"])
def test_an_answer_that_a_process_gave_before_is_not_read_again(
    client: APIClient, imported: Sequence[str], django_assert_num_queries: DjangoAssertNumQueries, path: str
) -> None:
    first = client.get(f"/api/v2/{path}")

    # The state of the list, and the calendar.
    with django_assert_num_queries(2):
        again = client.get(f"/api/v2/{path}")

    assert again.json() == first.json()


def test_an_etag_does_not_open_the_door(client: APIClient, imported: Sequence[str]) -> None:
    path = "/api/v2/option-chain/NIFTY/expiries"
    etag = client.get(path)["ETag"]

    assert APIClient().get(path, headers={"If-None-Match": etag}).status_code == 401
