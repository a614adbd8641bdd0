"""What the search offers of a hit is what an addition accepts."""

import pytest
from rest_framework.test import APIClient

from marketdata.domain.instruments import ExchangeSegment
from tests.factories import NEAR, Listing, make_equity, make_future, make_index, make_series

LEG = "NIFTY_17FEB2026_25000CE"


@pytest.fixture(autouse=True)
def others(listing: Listing) -> None:
    """List the VIX, options on a share with & in its name, and on a share of BSE that NSE has too."""
    make_index("INDIA VIX", security_id=21)
    shares = make_equity("M&M"), make_equity("RELIANCE", segment=ExchangeSegment.BSE_EQ)
    for share, segment in zip(shares, (ExchangeSegment.NSE_FNO, ExchangeSegment.BSE_FNO), strict=True):
        make_series(share, segment=segment, middle=2_600, step=20, strikes=3)
        make_future(share.token, expiry=NEAR, segment=segment, underlying=share)
    # By its future the search knows that an underlying has derivatives.
    make_future("NIFTY", expiry=NEAR, segment=ExchangeSegment.NSE_FNO, underlying=listing.spots["NIFTY"])


@pytest.mark.parametrize(
    ("query", "kind", "token"),
    [
        ("nifty 25000 ce 17 feb", "OPTION", LEG),
        ("m&m 2600 pe", "OPTION", "M&M_24FEB2026_2600PE"),
        ("bse:reliance 2600 ce", "OPTION", "RELIANCE_24FEB2026_2600CE"),
        ("crudeoil 5800 pe", "OPTION", "CRUDEOIL_17FEB2026_5800PE"),
        ("india vix", "INDEX", "INDIA VIX"),
        ("nifty", "INDEX", "NIFTY"),
    ],
)
def test_a_hit_of_the_search_is_added_by_what_it_has(
    client_of_asha: APIClient, query: str, kind: str, token: str
) -> None:
    hit = client_of_asha.get("/api/v2/instruments/search", {"q": query}).json()["results"][0]
    (offer,) = (one for one in hit["offers"] if one["instrument_type"] == kind)
    assert offer["expiries"] == []

    # As the page sends an offer without expiries.
    name = hit["token"].split(":")[-1]
    answer = client_of_asha.post(
        "/api/v2/watchlist/add", {"symbol": name, "exchange": hit["exchange"], "instrument_type": kind}
    )

    assert answer.status_code == 201, answer.content
    assert answer.json()["entry"]["instrument_id"] == hit["instrument_id"]
    assert (name, answer.json()["entry"]["exchange"]) == (token, hit["exchange"])
