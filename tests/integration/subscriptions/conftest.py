"""A small market with live prices, on a quote board per test, and two traders."""

from datetime import date

import pytest
from pytest_django import Settings

from accounts.models import User
from tests.factories import Listing, make_listing, make_user, put_prices


@pytest.fixture
def listing(db: None, own_board: str, settings: Settings) -> Listing:
    """Return a market on 10 February 2026: NIFTY 25,010, RELIANCE 2,604, TCS 3,000, CRUDEOIL 5,810."""
    settings.MARKET_DATE = date(2026, 2, 10)
    settings.DHAN_REST_URL = "http://127.0.0.1:9/v2"  # no server listens there
    market = make_listing()
    prices = {"NIFTY": 25_010.0, "RELIANCE": 2_604.0, "TCS": 3_000.0, "CRUDEOIL": 5_810.0}
    put_prices({market.spots[symbol].pk: price for symbol, price in prices.items()})
    return market


@pytest.fixture
def asha(listing: Listing) -> User:
    return make_user("asha")


@pytest.fixture
def vikram(listing: Listing) -> User:
    return make_user("vikram")
