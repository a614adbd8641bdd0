"""From Friday evening to Monday morning: lists, kept entries, default expiries and change figures.

The clock is moved: each step has its time, and MARKET_DATE is the date of that time.
"""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pytest_django import Settings

from accounts.models import User
from marketdata import selectors as market
from marketdata.dhan import packets
from marketdata.dhan.closes import RecordedClose
from marketdata.dhan.quote_table import QuoteTable
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quote_rows import CLOSE_KNOWN
from marketdata.domain.quotes import QuoteTick
from marketdata.domain.tick_rules import day_number
from marketdata.models import ClosingQuote, Instrument
from marketdata.selectors import IST
from tests.factories import add_to_watchlist, make_equity, make_index, make_series, make_user, put_prices
from watchlists import services
from watchlists.models import EntryKind, WatchlistEntry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

FRIDAY, MONDAY, LATER = date(2026, 11, 20), date(2026, 11, 23), date(2026, 12, 1)


@pytest.fixture(autouse=True)
def unreachable_broker(settings: Settings) -> None:
    settings.DHAN_REST_URL = "http://127.0.0.1:9"


def move_clock(settings: Settings, day: int, hour: int, minute: int = 0) -> datetime:
    """Move the market to a time of November 2026 in IST, and return it."""
    now = datetime(2026, 11, day, hour, minute, tzinfo=IST)
    settings.MARKET_DATE = now.date()
    return now


def listed(user: User) -> set[tuple[str, date | None, bool]]:
    """Return symbol and expiry of each entry, and whether it has a claim."""
    rows = WatchlistEntry.objects.filter(user=user).values_list("underlying_symbol", "expiry", "claim")
    return {(symbol, expiry, claim is not None) for symbol, expiry, claim in rows}


def nearest(now: datetime) -> date:
    return market.get_series(underlying=market.find_underlying(symbol="NIFTY"), expiry=None, now=now).series.expiry


def test_what_is_prepared_for_monday_is_there_on_monday(settings: Settings) -> None:
    now = move_clock(settings, 20, 12)
    nifty, tcs, reliance = make_index("NIFTY", security_id=13), make_equity("TCS"), make_equity("RELIANCE")
    for expiry in (FRIDAY, MONDAY, LATER):
        make_series(nifty, expiry=expiry)
    put_prices({nifty.pk: 25_010.0, tcs.pk: 3_000.0, reliance.pk: 1_400.0})
    asha = make_user("asha")
    WatchlistEntry.objects.filter(pk=add_to_watchlist(asha, "TCS", EntryKind.EQUITY, now=now).entry.pk).update(
        keep=True
    )
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION, now=now)
    assert listed(asha) == {("TCS", None, True), ("NIFTY", FRIDAY, True)}

    services.close_past_days(actor="beat", now=move_clock(settings, 20, 15, 31))
    assert listed(asha) == {("TCS", None, False)}

    now = move_clock(settings, 20, 20)
    assert nearest(now) == MONDAY
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION, now=now)
    add_to_watchlist(asha, "RELIANCE", EntryKind.EQUITY, now=move_clock(settings, 21, 11))
    prepared = {("NIFTY", MONDAY, True), ("RELIANCE", None, True)}

    for day in (21, 22):
        now = move_clock(settings, day, 15, 31)
        services.release_expired(now=now)
        services.close_past_days(actor="beat", now=now)
        assert listed(asha) == {("TCS", None, False), *prepared}
        assert nearest(now) == MONDAY
    services.release_expired(now=move_clock(settings, 23, 8, 10))
    services.restore_kept(now=move_clock(settings, 23, 8, 45))

    now = move_clock(settings, 23, 9, 15)
    services.close_past_days(actor="beat", now=now)
    assert listed(asha) == {("TCS", None, True), *prepared}
    assert nearest(now) == MONDAY
    now = move_clock(settings, 23, 15, 40)
    services.close_past_days(actor="beat", now=now)
    assert (listed(asha), nearest(now)) == ({("TCS", None, False)}, LATER)


def previous_close_at(now: datetime, share: Instrument, *, traded: datetime, close_field: float) -> float | None:
    """Return the previous close that a feed worker started at `now` has for a share after its first packet."""
    calendar, table = market.MarketCalendar(), QuoteTable()
    calendar.refresh(now=now)
    key = InstrumentKey(ExchangeSegment.NSE_EQ, share.security_id)
    table.add({key: share.pk})
    ltt = int(traded.replace(tzinfo=UTC).timestamp())
    table.append(packets.encode(QuoteTick(key, 3_010.0, 1, ltt, 1.0, 1, 1, 1, 1.0, close_field, 1.0, 1.0)))
    table.absorb(received_at_ms=int(now.timestamp() * 1_000), ended=calendar.list_ended(now))
    for one, close in market.list_previous_closes(instrument_ids=table.ids_without_close(), now=now).items():
        table.learn_closes({one: RecordedClose(float(close.price), close.oi, day_number(close.session_day))})
    (row,) = table.all_rows()
    return float(row["previous_close"]) if row["known"] & CLOSE_KNOWN else None


def test_the_change_of_a_weekend_is_that_of_friday_or_unknown(settings: Settings) -> None:
    now = move_clock(settings, 20, 18)
    share, unknown = make_equity("TCS"), make_equity("RARE")
    ClosingQuote.objects.create(
        instrument=share,
        exchange_segment=ExchangeSegment.NSE_EQ,
        day=date(2026, 11, 19),
        price=Decimal(2_950),
        recorded_at=now,
    )
    last_trade = datetime(2026, 11, 20, 15, 29, tzinfo=IST)

    # The close field has been Friday's since the end of the session: no change of 0.00 is shown.
    for day, hour in ((20, 18), (21, 12), (22, 20), (23, 8)):
        now = move_clock(settings, day, hour)
        assert previous_close_at(now, share, traded=last_trade, close_field=3_010.0) == 2_950.0
        assert previous_close_at(now, unknown, traded=last_trade, close_field=3_010.0) is None

    now = move_clock(settings, 23, 9, 20)
    assert previous_close_at(now, share, traded=now, close_field=3_005.0) == 3_005.0
