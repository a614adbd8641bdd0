"""Expiries that are over: from the end of their last session they stay listed and are no default any more."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.models import User
from marketdata import selectors
from marketdata.domain.instruments import Exchange, ExchangeSegment, InstrumentType, SeriesKey
from marketdata.models import Instrument, MarketSession
from marketdata.selectors import Offer, UnknownExpiry
from marketdata.streaming.messages import WatchChain
from subscriptions import selectors as subscriptions
from subscriptions import services as subscription_services
from subscriptions.domain.claims import ClaimKind
from subscriptions.models import Claim
from tests.factories import make_equity, make_future, make_index, make_series, make_user, put_prices
from watchlists.models import EntryKind
from watchlists.selectors import list_entries
from watchlists.services import add_entry
from watchlists.watch_resolver import resolve_watch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_board")]

IST = ZoneInfo("Asia/Kolkata")
TODAY = date(2026, 2, 10)  # a Tuesday before the change of hours: derivatives trade to 15:30
NEXT = date(2026, 2, 17)


def at(hour: int, minute: int = 0, *, day: date = TODAY) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=IST).astimezone(UTC)


@pytest.fixture(autouse=True)
def market_date(settings: Settings) -> None:
    settings.MARKET_DATE = TODAY
    settings.DHAN_REST_URL = "http://127.0.0.1:9"


@pytest.fixture
def nifty(own_board: str) -> Instrument:
    """Return NIFTY with options that expire today and in a week, and a future that expires today and in a week."""
    spot = make_index("NIFTY", security_id=13)
    for expiry in (TODAY, NEXT):
        make_series(spot, expiry=expiry)
        make_future("NIFTY", expiry=expiry, segment=ExchangeSegment.NSE_FNO, underlying=spot)
    put_prices({spot.pk: 25_010.0})
    return spot


def nearest_options(symbol: str, now: datetime) -> date:
    return selectors.get_series(underlying=selectors.find_underlying(symbol=symbol), expiry=None, now=now).series.expiry


@pytest.mark.parametrize(
    ("now", "expected"), [(at(0), TODAY), (at(12), TODAY), (at(15, 29), TODAY), (at(15, 30), NEXT), (at(18), NEXT)]
)
def test_an_expiry_is_the_nearest_until_the_end_of_its_last_session(
    nifty: Instrument, now: datetime, expected: date
) -> None:
    assert nearest_options("NIFTY", now) == expected
    assert selectors.get_future(symbol="NIFTY", now=now).expiry == expected


def test_commodities_end_with_their_own_session() -> None:
    for expiry in (TODAY, NEXT):
        make_series(
            make_future("CRUDEOIL", expiry=expiry), expiry=expiry, segment=ExchangeSegment.MCX_COMM, middle=5_800
        )

    assert [nearest_options("CRUDEOIL", now) for now in (at(18), at(23, 54), at(23, 55))] == [TODAY, TODAY, NEXT]
    assert selectors.get_future(symbol="CRUDEOIL", now=at(23, 54)).expiry == TODAY
    assert selectors.get_future(symbol="CRUDEOIL", now=at(23, 55)).expiry == NEXT


def test_currency_futures_end_with_their_own_session() -> None:
    for expiry in (TODAY, NEXT):
        future = make_future("USDINR", expiry=expiry, segment=ExchangeSegment.NSE_CURRENCY)
        Instrument.objects.filter(pk=future.pk).update(instrument_type=InstrumentType.FUTCUR)

    assert selectors.get_future(symbol="USDINR", now=at(16, 59)).expiry == TODAY
    assert selectors.get_future(symbol="USDINR", now=at(17)).expiry == NEXT


def test_what_expires_on_a_holiday_is_over_with_the_session_before_it(nifty: Instrument) -> None:
    MarketSession.objects.filter(exchange_segment=ExchangeSegment.NSE_FNO, day=NEXT).update(
        kind="holiday", opens=None, closes=None
    )
    make_series(nifty, expiry=date(2026, 2, 24))

    assert nearest_options("NIFTY", at(15, 29, day=date(2026, 2, 16))) == TODAY  # MARKET_DATE is another day's
    assert selectors.list_current_from(at=at(15, 29, day=date(2026, 2, 16)))[ExchangeSegment.NSE_FNO] == date(
        2026, 2, 16
    )
    assert selectors.list_current_from(at=at(15, 30, day=date(2026, 2, 16)))[ExchangeSegment.NSE_FNO] == date(
        2026, 2, 18
    )


def test_a_closure_of_nine_days_ends_with_the_first_session_after_it() -> None:
    closed = MarketSession.objects.filter(
        exchange_segment=ExchangeSegment.MCX_COMM, day__range=(TODAY, date(2026, 2, 18))
    )
    closed.update(kind="holiday", opens=None, closes=None)

    current_from = selectors.list_current_from(at=at(12))

    assert current_from[ExchangeSegment.MCX_COMM] == date(2026, 2, 19)
    assert current_from[ExchangeSegment.NSE_FNO] == TODAY


def test_a_market_date_of_another_day_has_no_hours(nifty: Instrument, settings: Settings) -> None:
    # A demo with a fixed date shows the same at any hour of the clock.
    assert nearest_options("NIFTY", datetime(2026, 11, 28, 18, tzinfo=IST)) == TODAY


def test_an_expiry_that_is_over_stays_listed_last_and_marked(nifty: Instrument) -> None:
    underlying = selectors.find_underlying(symbol="NIFTY")

    rows = selectors.list_expiries(underlying=underlying, options_only=True, now=at(18))
    before = selectors.list_expiries(underlying=underlying, options_only=True, now=at(12))

    assert [(row.expiry, row.is_over, row.days_left) for row in rows] == [(NEXT, False, 7), (TODAY, True, 0)]
    assert [(row.expiry, row.is_over) for row in before] == [(TODAY, False), (NEXT, False)]
    named = selectors.get_series(underlying=underlying, expiry=TODAY, now=at(18))
    assert named.series == SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", TODAY)


def test_without_a_later_expiry_the_refusal_says_that_the_listed_ones_are_over() -> None:
    make_series(make_equity("TCS"), expiry=TODAY, middle=3_000)

    with pytest.raises(UnknownExpiry, match=r"Every listed expiry of TCS options is over: 10FEB2026\."):
        nearest_options("TCS", at(18))


def test_search_puts_contracts_that_are_over_last_and_offers_them_no_more(nifty: Instrument) -> None:
    hits = selectors.search_instruments(query="nifty 25000 ce", now=at(18))
    noon = selectors.search_instruments(query="nifty 25000 ce", now=at(12))
    spot = selectors.search_instruments(query="nifty", now=at(18))[0]

    assert [(hit.token, hit.is_over) for hit in hits] == [
        ("NIFTY_17FEB2026_25000CE", False),
        ("NIFTY_10FEB2026_25000CE", True),
    ]
    assert [hit.token for hit in noon] == ["NIFTY_10FEB2026_25000CE", "NIFTY_17FEB2026_25000CE"]
    assert spot.offers == (Offer("INDEX_OPTION", (NEXT,)), Offer("FUTURE", (NEXT,)), Offer("INDEX"))


def test_search_represents_a_commodity_by_a_future_that_is_not_over() -> None:
    for expiry in (TODAY, NEXT):
        make_future("CRUDEOIL", expiry=expiry)

    hits = selectors.search_instruments(query="crudeoil", now=at(23, 56))

    assert [(hit.token, hit.is_underlying, hit.is_over) for hit in hits] == [
        ("CRUDEOIL_17FEB2026_FUT", True, False),
        ("CRUDEOIL_10FEB2026_FUT", False, True),
    ]


def test_an_entry_without_an_expiry_is_added_on_the_next_one(nifty: Instrument) -> None:
    user: User = make_user()

    added = [
        add_entry(user_id=user.pk, actor="trader1", symbol="NIFTY", kind=kind, now=at(18), exchange=Exchange.NSE)
        for kind in (EntryKind.INDEX_OPTION, EntryKind.FUTURE)
    ]

    assert [one.entry.expiry for one in added] == [NEXT, NEXT]


def test_tier_b_takes_the_next_expiry_when_one_is_over(nifty: Instrument) -> None:
    make_series(nifty, expiry=date(2026, 2, 24))
    subscription_services.preload_tier_b(now=at(12))
    noon = set(Claim.objects.filter(kind=ClaimKind.PRELOAD).values_list("expiry", flat=True))

    subscription_services.preload_tier_b(now=at(18))

    assert noon == {TODAY, NEXT, date(2026, 2, 24)}
    evening = set(Claim.objects.filter(kind=ClaimKind.PRELOAD).values_list("expiry", flat=True))
    assert evening == {NEXT, date(2026, 2, 24)}
    assert {target.series.expiry for target in subscriptions.plan_preload(now=at(12)).wanted if target.series} == noon


@pytest.fixture
def holiday(nifty: Instrument) -> None:
    """Make today a holiday, so that what expires today is over at any hour of the clock."""
    MarketSession.objects.filter(exchange_segment=ExchangeSegment.NSE_FNO, day=TODAY).update(
        kind="holiday", opens=None, closes=None
    )


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.mark.usefixtures("holiday")
def test_a_chain_in_the_api_states_that_it_is_over() -> None:
    client = client_of(make_user())

    over, nearest = (
        client.get(f"/api/v2/option-chain/NIFTY?strikes=3{query}").json() for query in (f"&expiry={TODAY}", "")
    )

    assert (over["expiry"], over["over"]) == ("2026-02-10", True)
    assert (nearest["expiry"], nearest["over"]) == ("2026-02-17", False)


def test_a_chain_in_the_browser_states_that_it_is_over(nifty: Instrument) -> None:
    watch = WatchChain("chain", "NIFTY", TODAY.isoformat(), None, 3)
    user = make_user().pk

    states = [
        resolve_watch(watch=watch, user_id=user, is_opening=True, now=now).message["over"] for now in (at(12), at(18))
    ]

    assert states == [False, True]


@pytest.mark.usefixtures("holiday")
def test_entries_in_the_api_state_which_are_over() -> None:
    user: User = make_user()
    make_equity("TCS")
    targets: list[tuple[str, EntryKind, date | None]] = [
        ("NIFTY", EntryKind.INDEX_OPTION, TODAY),
        ("NIFTY", EntryKind.INDEX_OPTION, NEXT),
    ]
    targets += [("NIFTY", EntryKind.FUTURE, TODAY), ("TCS", EntryKind.EQUITY, None)]
    for symbol, kind, expiry in targets:
        add_entry(user_id=user.pk, actor="trader1", symbol=symbol, kind=kind, now=at(8), expiry=expiry, strikes=3)

    entries = client_of(user).get("/api/v2/watchlist/me").json()["entries"]

    assert [one["over"] for one in entries] == [True, False, True, False]


@pytest.mark.usefixtures("holiday")
@pytest.mark.parametrize("expiries", [[TODAY], [TODAY, NEXT]])
def test_a_list_with_near_expiries_reads_the_calendar_once(
    expiries: list[date], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    user: User = make_user()
    for one in expiries:
        add_entry(user_id=user.pk, actor="trader1", symbol="NIFTY", kind=EntryKind.FUTURE, now=at(8), expiry=one)

    with django_assert_num_queries(4):
        assert [one.is_over for one in list_entries(user_id=user.pk)] == [one == TODAY for one in expiries]
