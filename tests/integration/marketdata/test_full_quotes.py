"""The whole newest quote of one instrument, as the API answers it: depth and the day so far."""

from typing import Any

from django.test import Client

from marketdata import selectors
from marketdata.domain.quote_rows import Known
from tests.factories import Listing, drop_prices, make_user, put_rows
from tests.integration.subscriptions.claim_factories import claim_instrument
from tests.unit.marketdata.streaming.bus_rows import make_row
from tests.unit.marketdata.streaming.test_details import make_full_row


def read_quote(client: Client, listing: Listing) -> dict[str, Any]:
    """Return the quote of the only subscription."""
    user = make_user("asha")
    client.force_login(user)
    claim_instrument(listing.spots["TCS"].pk, user_id=user.pk)
    quote: dict[str, Any] = client.get("/api/v2/subscriptions/TCS").json()["quote"]
    return quote


def test_a_quote_has_the_levels_with_orders_as_the_exchange_quoted_them(listing: Listing, client: Client) -> None:
    row = make_full_row(listing.spots["TCS"].pk)
    row["ltt"] = 1_770_718_500  # 10:15:00 IST, counted as if it were UTC
    put_rows(row)

    quote = read_quote(client, listing)

    assert quote["depth"]["bids"] == [
        {"price": 138.85, "quantity": 75, "orders": 1},
        {"price": 138.8, "quantity": 650, "orders": 4},
        {"price": 138.75, "quantity": 1_300, "orders": 7},
    ]
    assert [level["price"] for level in quote["depth"]["asks"]] == [138.95, 139.0, 139.05, 139.1, 139.15]
    names = ("last_quantity", "average_price", "total_bid_quantity", "total_ask_quantity", "oi_day_high", "oi_day_low")
    assert [quote[name] for name in names] == [65, 141.27, 845_000, 3_000_000_000, 1_234_500, 1_200_025]
    assert quote["last_trade_at"] == "2026-02-10T04:45:00Z"
    assert (quote["bid"], quote["day_high"]) == (138.85, 162.4)


def test_what_no_packet_had_is_null(listing: Listing, client: Client) -> None:
    put_rows(make_row(listing.spots["TCS"].pk, ltp=3_120.0, known=Known.TRADE))

    quote = read_quote(client, listing)

    assert (quote["ltp"], quote["depth"]) == (3_120.0, None)
    assert {quote[name] for name in ("last_trade_at", "last_quantity", "average_price", "oi_day_high")} == {None}


def test_before_the_first_trade_and_open_interest_of_a_day_their_zeros_are_unknown(listing: Listing) -> None:
    share = listing.spots["TCS"]
    put_rows(make_row(share.pk, known=Known.DAY | Known.OI_RANGE | Known.DEPTH, bid=0.0))

    full = selectors.find_full_quote(instrument_id=share.pk, tick_size=share.tick_size)

    assert full is not None
    assert (full.bids, full.last_quantity, full.average_price, full.oi_day_high) == ((), None, None, None)
    # A sum of zero is known: there are no orders.
    assert full.total_bid_quantity == 0


def test_an_instrument_without_a_row_has_no_quote(listing: Listing) -> None:
    share = listing.spots["TCS"]
    drop_prices([share.pk])

    assert selectors.find_full_quote(instrument_id=share.pk, tick_size=share.tick_size) is None
