"""What a process keeps of the instrument list, while no import changes that."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from marketdata import selectors
from marketdata.models import Instrument
from marketdata.selectors import ListingCache, SeriesListing, UnknownSymbol
from tests import changing_lists as lists
from tests.factories import NOW, all_legs, make_listing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def rows(settings: Settings, tmp_path: Path) -> list[str]:
    return lists.start_market(settings, tmp_path)


@pytest.fixture
def cache() -> ListingCache:
    return ListingCache()


def read_nearest(cache: ListingCache, symbol: str = "NIFTY") -> SeriesListing:
    listed = cache.read()
    named = listed.resolve_symbol(symbol=symbol, exchange=None, expiry=None)
    listed.get_instrument_by_id(instrument_id=named.underlying.instrument_id or 0)
    return listed.get_series(underlying=named.underlying, expiry=named.expiry, now=NOW)


def count_queries(cache: ListingCache) -> int:
    with CaptureQueriesContext(connection) as queries:
        read_nearest(cache)
    return len(queries)


def test_a_listing_that_was_read_costs_the_state_of_the_list_only(rows: list[str], cache: ListingCache) -> None:
    first = read_nearest(cache)

    assert count_queries(cache) == 1
    assert read_nearest(cache) is first
    assert first == selectors.get_series(underlying=selectors.find_underlying(symbol="NIFTY"), expiry=None, now=NOW)


def test_an_import_is_seen_by_the_next_reader(rows: list[str], cache: ListingCache, tmp_path: Path) -> None:
    assert read_nearest(cache).series.expiry == lists.WEEKLY

    lists.import_list(tmp_path, lists.without(rows, "NIFTY-Feb2026-25000-CE,"), now=LATER)
    after = read_nearest(cache)
    lists.import_list(tmp_path, lists.replaced(rows, ("2026-02-17", "2026-02-16")), now=LATER + timedelta(hours=1))
    moved = read_nearest(cache)

    assert len(all_legs(after)) == 41
    assert moved.series.expiry == lists.WEEKLY - timedelta(days=1)


def test_another_date_of_the_market_is_another_state(rows: list[str], cache: ListingCache, settings: Settings) -> None:
    read_nearest(cache)
    settings.MARKET_DATE = lists.WEEKLY + timedelta(days=1)

    assert read_nearest(cache).series.expiry == lists.MONTHLY


def test_errors_are_not_kept(rows: list[str], cache: ListingCache, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(UnknownSymbol):
            read_nearest(cache, "NOTHING")

    with CaptureQueriesContext(connection) as queries, pytest.raises(UnknownSymbol):
        read_nearest(cache, "NOTHING")
    assert len(queries) > 1


def test_nothing_is_kept_of_a_list_without_an_import(settings: Settings, cache: ListingCache) -> None:
    settings.MARKET_DATE = lists.TODAY
    make_listing()
    before = read_nearest(cache)

    Instrument.objects.filter(expiry=before.series.expiry, strike__isnull=False).update(is_listed=False)

    assert read_nearest(cache).series.expiry > before.series.expiry
