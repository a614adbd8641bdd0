"""Quotes and prices from the quote board: the number of calendar reads, and the prices that are left out."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import redis.asyncio
from django.conf import settings as django_settings
from pytest_django import DjangoAssertNumQueries

from marketdata import selectors
from marketdata.domain.feed import ConnectionReport, ConnectionState
from marketdata.domain.instruments import ExchangeSegment
from marketdata.domain.quote_rows import Known
from marketdata.domain.quote_state import QuoteState
from marketdata.quote_board import OwnerBoard
from marketdata.selectors import PriceSource
from tests.factories import put_prices

TICK = Decimal("0.05")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]


async def report_live(*ticking: ExchangeSegment) -> None:
    report = ConnectionReport(
        1, "worker-1", 1, ConnectionState.LIVE, 2, 2, 2, 9, 1.0, None, 1, "", ticking=tuple(map(int, ticking))
    )
    async with redis.asyncio.Redis.from_url(django_settings.REDIS_URL) as client:
        await OwnerBoard(client, django_settings.REDIS_PREFIX).report(report)


def test_quotes_of_a_segment_with_trades_read_no_calendar(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    put_prices({7: 100.05, 8: 200.1}, now=datetime.now(tz=UTC))
    asyncio.run(report_live(*ExchangeSegment))

    with django_assert_num_queries(0):
        quotes = selectors.list_quotes(tick_sizes={7: TICK, 8: TICK})

    assert {one.state for one in quotes.values()} == {QuoteState.LIVE}
    assert quotes[7].ltp == 100.05


def test_quotes_of_segments_without_trades_read_the_calendar_once(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    put_prices({7: 100.0, 8: 200.0})

    with django_assert_num_queries(1):
        quotes = selectors.list_quotes(tick_sizes={7: TICK, 8: TICK})

    assert {one.state for one in quotes.values()} == {QuoteState.STALE}


def test_prices_read_no_calendar_and_leave_out_instruments_that_never_traded(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    put_prices({7: 100.0, 8: 0.0, 9: float("inf")})
    put_prices({10: 55.0}, known=Known.PREVIOUS_CLOSE)
    put_prices({11: 66.0}, known=Known.TRADE | Known.EARLIER)

    with django_assert_num_queries(0):
        prices = selectors.list_prices(instrument_ids=[7, 8, 9, 10, 11, 12])
        ltps = selectors.list_ltps(instrument_ids=[7, 8, 9, 10, 11, 12])

    assert {one: (price.ltp, price.source) for one, price in prices.items()} == {
        7: (Decimal(100), PriceSource.QUOTE),
        11: (Decimal(66), PriceSource.EARLIER),
    }
    assert ltps == {7: Decimal(100)}
