"""Fixtures of the integration tests."""

from collections.abc import Iterator
from datetime import date

import pytest
from pytest_django import Settings

from accounts.models import User
from devstack.signal_waiter import SignalWaiter
from devstack.supervisor import Supervisor
from tests.factories import Listing, make_listing, make_user, put_prices


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Use a fast password hash: the strength of the hash is tested by Django."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def long_timeouts(settings: Settings) -> None:
    """Let threads wait as long as a busy machine needs: for the placement lock, and for an answer of Redis."""
    settings.STATEMENT_TIMEOUT_MS = settings.REDIS_TIMEOUT_MS = 30_000


@pytest.fixture
def reports() -> list[str]:
    """Return the lines that `supervisor` has reported."""
    return []


@pytest.fixture
def supervisor(reports: list[str]) -> Iterator[Supervisor]:
    """Yield a supervisor without programs; it stops all of them on teardown."""
    supervisor = Supervisor(signals=SignalWaiter(), report=reports.append)
    yield supervisor
    supervisor.stop_all()


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
