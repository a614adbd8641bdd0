"""Listings and markets of a known day, made once for all tests of the simulator."""

from datetime import date
from functools import cache

from simulator.contracts import Contracts, read_contracts
from simulator.demo_listing import Size, make_listing
from simulator.listing import Listed
from simulator.market import Market

TODAY = date(2026, 11, 21)
NOW = 1_795_230_000.0
"""08:30 IST on that day."""


def listing_of(today: date = TODAY, size: Size = Size.DEMO) -> tuple[Listed, ...]:
    """Return the demo listing of a day."""
    return _listing_of(today, size)


# The cache treats `f(x)` and `f(today=x)` as different calls; therefore only `listing_of` calls this.
@cache
def _listing_of(today: date, size: Size) -> tuple[Listed, ...]:
    return tuple(make_listing(today, size=size))


@cache
def small_contracts() -> Contracts:
    """Return the small listing as arrays."""
    return read_contracts(listing_of(size=Size.SMALL), today=TODAY)


def make_market(*, seed: int = 7) -> Market:
    """Return a market over the small listing, as it opens."""
    return Market(small_contracts(), seed=seed, now=NOW)
