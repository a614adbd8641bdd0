"""Lists that other users met, one day after the other: what is held follows its contract (`shared/data/faults`)."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import User
from marketdata import services as market_services
from marketdata.domain.instruments import SeriesKey
from marketdata.models import Instrument
from subscriptions import services as subscriptions
from subscriptions.domain.claims import ClaimKind
from subscriptions.models import Claim, PreloadRule, Subscription
from tests.factories import add_to_watchlist, make_user, put_prices
from tests.integration.subscriptions.invariants import check_invariants
from watchlists import services
from watchlists.models import EntryKind, WatchlistEntry

EVENING = datetime(2026, 2, 9, 12, 30, tzinfo=UTC)
MORNING = EVENING + timedelta(hours=14)


@pytest.fixture
def asha(db: None, own_board: str, settings: Settings) -> User:
    settings.MARKET_DATE = date(2026, 2, 10)
    settings.DHAN_REST_URL = "http://127.0.0.1:9/v2"  # no server listens there
    return make_user("asha")


class Days:
    """The two lists of one folder, imported under one path."""

    def __init__(self, folder: Path, directory: Path) -> None:
        self._folder = folder
        self._path = directory / "master.csv.gz"

    def load(self, day: int, *, now: datetime) -> None:
        self._path.write_bytes((self._folder / f"day{day}.csv.gz").read_bytes())
        record = market_services.import_instruments(source=str(self._path), as_of=date(2026, 2, 10), now=now)
        assert record.refusal == ""

    def follow(self) -> None:
        """Import the second list and run the pass; claims and entries refer to listed items then."""
        self.load(2, now=MORNING)
        services.follow_contracts(now=MORNING)
        assert not Subscription.objects.filter(instrument__is_listed=False).exists()
        assert [one for one in services.check(repair=False, actor="test", now=MORNING) if not one.is_of_owners] == []
        check_invariants()


@pytest.fixture
def days(reference_data: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Days:
    days = Days(reference_data / "faults" / request.param, tmp_path)
    days.load(1, now=EVENING)
    return days


def listed(security_id: int) -> Instrument:
    return Instrument.objects.get(is_listed=True, security_id=security_id)


def entry() -> WatchlistEntry:
    return WatchlistEntry.objects.select_related("instrument").get()


@pytest.mark.parametrize("days", ["03-expiry-moved"], indirect=True)
def test_a_chain_follows_the_moved_weekly_expiry(asha: User, days: Days) -> None:
    put_prices({listed(13).pk: 25_900.0})
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION, now=EVENING)
    nearest = Claim.objects.get(kind=ClaimKind.WATCHLIST).series
    claim_moved(asha, nearest)
    held = set(Subscription.objects.values_list("instrument_id", flat=True))

    days.follow()

    dates = {one.expiry for one in WatchlistEntry.objects.all()}
    assert date(2026, 2, 17) not in dates
    assert date(2026, 2, 16) in dates
    assert set(Subscription.objects.values_list("instrument_id", flat=True)) == held


def claim_moved(asha: User, nearest: SeriesKey | None) -> None:
    """Add the weekly series of 17 February where it is not the nearest."""
    if nearest is None or nearest.expiry != date(2026, 2, 17):
        services.add_entry(
            user_id=asha.pk,
            actor="asha",
            symbol="NIFTY",
            kind=EntryKind.INDEX_OPTION,
            expiry=date(2026, 2, 17),
            now=EVENING,
        )


@pytest.mark.parametrize("days", ["04-series-change"], indirect=True)
def test_an_entry_follows_its_share_into_another_series(asha: User, days: Days) -> None:
    add_to_watchlist(asha, "KSHITIJPOL", EntryKind.EQUITY, now=EVENING)

    days.follow()

    assert entry().instrument == listed(10412)


@pytest.mark.parametrize("days", ["05-renamed"], indirect=True)
def test_an_entry_follows_its_renamed_share(asha: User, days: Days) -> None:
    share = add_to_watchlist(asha, "AKZOINDIA", EntryKind.EQUITY, now=EVENING).entry.instrument_id

    days.follow()

    assert (entry().instrument_id, entry().underlying_symbol) == (share, "JSWDULUX")


@pytest.mark.parametrize("days", ["06-ids-swapped"], indirect=True)
def test_futures_that_exchange_ids_stay_with_their_traders(asha: User, days: Days) -> None:
    add_to_watchlist(asha, "RELIANCE", EntryKind.FUTURE, now=EVENING)

    days.follow()

    assert entry().instrument == listed(59489)
    assert listed(59489).token == "RELIANCE_24FEB2026_FUT"


@pytest.mark.parametrize("days", ["07-future-a-day-late"], indirect=True)
def test_tier_b_gets_the_future_that_comes_a_day_late_as_its_spot(asha: User, days: Days) -> None:
    PreloadRule.objects.update(is_active=False)
    PreloadRule.objects.filter(profile="lean", underlying_symbol="CRUDEOIL").update(is_active=True)
    futures = Instrument.objects.filter(instrument_type="FUTCOM", is_listed=True)
    put_prices({one.pk: 5_800.0 for one in futures})
    subscriptions.preload_tier_b(now=EVENING)

    days.follow()

    chains = Claim.objects.filter(expiry=date(2026, 3, 17)).select_related("spot")
    assert {one.spot.instrument_id for one in chains if one.spot} == {listed(472789).pk}
