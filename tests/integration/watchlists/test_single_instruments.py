"""Entries of one instrument: an option and an index follow the rules of a future and a share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings
from rest_framework.test import APIClient

from accounts.models import User
from marketdata.models import Instrument
from subscriptions import services as subscriptions
from subscriptions.models import Claim, FeedConnection, Subscription, SubscriptionLog
from tests.factories import NOW, Listing, add_to_watchlist, make_index
from tests.integration.watchlists.notice_listeners import record_notices
from watchlists import selectors, services
from watchlists.models import EntryKind, WatchlistEntry

ADD = "/api/v2/watchlist/add"
REMOVE = "/api/v2/watchlist/remove"
TUESDAY = date(2026, 2, 10)
CUT = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)  # 15:30 IST
NEXT_MORNING = datetime(2026, 2, 11, 3, 15, tzinfo=UTC)  # 08:45 IST
TCS = {"symbol": "TCS", "instrument_type": "EQUITY"}


@dataclass(frozen=True, slots=True)
class Item:
    """One instrument to watch: the fields that add it, its token, and what traders read."""

    kind: EntryKind
    symbol: str
    token: str
    words: str  # in notices about the claim
    entry_words: str  # in notices about the entry
    mode: str

    @property
    def body(self) -> Mapping[str, str]:
        return {"symbol": self.symbol, "instrument_type": self.kind.value}

    @property
    def instrument(self) -> Instrument:
        return Instrument.objects.get(token=self.token)


LEG = "NIFTY_17FEB2026_25000CE"
OPTION = Item(EntryKind.OPTION, LEG, LEG, "NIFTY 17 Feb 25,000 CE", "NIFTY 17 Feb 25,000 CE", "full")
INDEX = Item(EntryKind.INDEX, "INDIAVIX", "INDIA VIX", "INDIA VIX", "INDIA VIX", "ticker")
FUTURE = Item(EntryKind.FUTURE, "CRUDEOIL", "CRUDEOIL_19FEB2026_FUT", "CRUDEOIL 19 Feb FUT", "CRUDEOIL 19 Feb", "full")
SHARE = Item(EntryKind.EQUITY, "RELIANCE", "RELIANCE", "RELIANCE", "RELIANCE", "full")

each = pytest.mark.parametrize("item", [OPTION, INDEX, FUTURE, SHARE], ids=lambda item: item.kind)


@pytest.fixture(autouse=True)
def vix(listing: Listing) -> Instrument:
    return make_index("INDIA VIX", security_id=21)


def add(user: User, item: Item, *, keep: bool = False) -> WatchlistEntry:
    return add_to_watchlist(user, item.symbol, item.kind, keep=keep).entry


@each
def test_it_is_added_with_its_claim_and_its_audit_row(client_of_asha: APIClient, item: Item) -> None:
    answer = client_of_asha.post(ADD, item.body)

    assert answer.status_code == 201, answer.content
    body, instrument = answer.json(), item.instrument
    entry = body["entry"]
    assert (entry["instrument_type"], entry["symbol"]) == (item.kind, instrument.underlying_symbol)
    assert (entry["exchange"], entry["instrument_id"]) == (instrument.exchange, instrument.pk)
    assert (body["chain"], body["legs"], body["subscribed"]) == (None, 1, 1)
    assert body["message"] == f"Added {item.words}"
    assert (Subscription.objects.get().instrument, Subscription.objects.get().mode) == (instrument, item.mode)
    logged = SubscriptionLog.objects.get()
    assert (logged.subject, logged.reason, logged.actor) == (item.token, "WATCHLIST_ADD", "asha")


@each
def test_it_is_added_and_removed_by_its_instrument_id(client_of_asha: APIClient, item: Item) -> None:
    body = {"instrument_id": item.instrument.pk, "instrument_type": item.kind}

    added, removed = (client_of_asha.post(path, body) for path in (ADD, REMOVE))

    assert (added.status_code, removed.status_code) == (201, 200), (added.content, removed.content)
    assert added.json()["entry"] == removed.json()["entry"]
    assert not Claim.objects.exists()


@each
def test_it_is_removed_by_the_fields_of_its_addition(client_of_asha: APIClient, item: Item) -> None:
    client_of_asha.post(ADD, item.body)
    client_of_asha.post(ADD, TCS)

    answer = client_of_asha.post(REMOVE, item.body)

    assert (answer.status_code, answer.json()["released"]) == (200, 1)
    assert [one.underlying_symbol for one in WatchlistEntry.objects.all()] == ["TCS"]
    assert SubscriptionLog.objects.get(reason="WATCHLIST_REMOVE").subject == item.token
    assert client_of_asha.post(REMOVE, item.body).json()["code"] == "unknown_entry"


@each
def test_it_is_once_on_each_list_by_any_of_its_names(client_of_asha: APIClient, item: Item) -> None:
    client_of_asha.post("/api/v2/watchlist/lists", {"name": "Banks"})
    first = client_of_asha.post(ADD, item.body).json()["entry"]["id"]
    assert client_of_asha.post(ADD, {**item.body, "list": "Banks"}).status_code == 201
    before = (Claim.objects.count(), SubscriptionLog.objects.count())

    by_id = {"instrument_id": item.instrument.pk, "instrument_type": item.kind}
    again = [client_of_asha.post(ADD, body) for body in (item.body, by_id)]
    moved = client_of_asha.post("/api/v2/watchlist/move", {"entry_id": first, "list": "Banks", "before": None})

    assert [one.json()["code"] for one in (*again, moved)] == ["duplicate_entry"] * 3
    assert moved.json()["detail"] == f"{item.entry_words} is on Banks already."
    assert (Claim.objects.count(), SubscriptionLog.objects.count()) == before
    assert WatchlistEntry.objects.count() == 2


@each
def test_it_moves_to_another_list_and_streams_on(client_of_asha: APIClient, item: Item) -> None:
    client_of_asha.post("/api/v2/watchlist/lists", {"name": "Banks"})
    entry = client_of_asha.post(ADD, item.body).json()["entry"]["id"]
    before = list(Subscription.objects.values())

    answer = client_of_asha.post("/api/v2/watchlist/move", {"entry_id": entry, "list": "Banks", "before": None})

    assert (answer.status_code, answer.json()["entry"]["list"]) == (200, "Banks")
    assert list(Subscription.objects.values()) == before


@each
def test_it_counts_one_against_the_quota(client_of_asha: APIClient, item: Item, settings: Settings) -> None:
    settings.INSTRUMENT_QUOTA = 1
    client_of_asha.post(ADD, TCS)

    refusal = client_of_asha.post(ADD, item.body)

    assert (refusal.status_code, refusal.json()["code"]) == (409, "quota")
    assert refusal.json()["detail"] == "This instrument needs 1 more live instrument; you have 0 left."
    assert [one.underlying_symbol for one in WatchlistEntry.objects.all()] == ["TCS"]


@each
def test_it_is_evicted_for_another_trader_and_streams_again(
    asha: User,
    client_of_asha: APIClient,
    client_of_vikram: APIClient,
    item: Item,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    entry = client_of_asha.post(ADD, item.body).json()["entry"]
    FeedConnection.objects.update(capacity=F("load"))

    with django_capture_on_commit_callbacks() as callbacks:
        answer = client_of_vikram.post(ADD, TCS)

    assert answer.json()["message"] == f"Added TCS, removed {item.words} (capacity limit)"
    (notice,) = (one for one in record_notices([asha.pk], callbacks)[asha.pk] if one["type"] == "notice")
    assert notice["text"] == f"TCS needed room. {item.words} stopped streaming."
    assert notice["lost"] == [{name: entry[name] for name in ("symbol", "exchange", "expiry", "instrument_id")}]
    (listed,) = client_of_asha.get("/api/v2/watchlist/me").json()["entries"]
    assert (listed["id"], listed["state"], listed["legs"]) == (entry["id"], "evicted", 0)

    FeedConnection.objects.update(capacity=5_000)
    again = client_of_asha.post(ADD, {"instrument_id": entry["instrument_id"], "instrument_type": item.kind})

    assert (again.status_code, again.json()["entry"]["id"]) == (200, entry["id"])
    assert Subscription.objects.count() == 2


@each
def test_it_ends_with_the_day_and_a_kept_one_streams_again_in_the_morning(asha: User, vikram: User, item: Item) -> None:
    kept = add(asha, item, keep=True)
    add(vikram, item)

    cleared = services.end_of_day(closes=TUESDAY, actor="beat", now=CUT)

    assert (cleared.entries, cleared.release.claims) == (1, 2)
    assert not Subscription.objects.exists()
    assert list(SubscriptionLog.objects.filter(reason="EOD_CLEANUP").values_list("subject", flat=True)) == [
        item.token,
        item.token,
    ]

    assert services.restore_kept(now=NEXT_MORNING) == services.Restored(entries=1)

    assert Subscription.objects.get().mode == item.mode
    assert WatchlistEntry.objects.get(pk=kept.pk).claim is not None


@each
def test_a_kept_one_that_cannot_stream_again_is_named(asha: User, item: Item) -> None:
    add(asha, item, keep=True)
    services.end_of_day(closes=TUESDAY, actor="beat", now=CUT)
    FeedConnection.objects.update(capacity=0)

    restored = services.restore_kept(now=NEXT_MORNING)

    assert [one.split(":")[0] for one in restored.waiting] == [item.entry_words]


def test_each_ends_with_the_session_of_its_segment(asha: User, settings: Settings) -> None:
    settings.EOD_SCOPE = "closed_segments"
    for symbol in (LEG, "CRUDEOIL_17FEB2026_5800PE"):
        add_to_watchlist(asha, symbol, EntryKind.OPTION)
    add(asha, INDEX)

    services.close_past_days(actor="beat", now=CUT)

    assert [one.underlying_symbol for one in WatchlistEntry.objects.all()] == ["CRUDEOIL"]


@pytest.mark.parametrize("item", [OPTION, FUTURE], ids=lambda item: item.kind)
def test_an_expired_contract_leaves_the_list_with_a_notice_that_names_it(
    asha: User,
    item: Item,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    add(asha, item, keep=True)
    add(asha, INDEX)
    settings.MARKET_DATE = date(2026, 2, 20)

    with django_capture_on_commit_callbacks() as callbacks:
        services.release_expired(now=NEXT_MORNING)

    assert [one.kind for one in WatchlistEntry.objects.all()] == ["INDEX"]
    texts = [one["text"] for one in record_notices([asha.pk], callbacks)[asha.pk] if one["type"] == "notice"]
    assert texts == [f"Expired and removed from your watchlist: {item.entry_words}."]
    assert SubscriptionLog.objects.get(reason="EXPIRED").subject == item.token


@pytest.mark.parametrize("item", [OPTION, FUTURE], ids=lambda item: item.kind)
def test_an_expired_contract_is_not_added(client_of_asha: APIClient, item: Item, settings: Settings) -> None:
    settings.MARKET_DATE = date(2026, 2, 20)
    body = {"instrument_id": item.instrument.pk, "instrument_type": item.kind}

    answer = client_of_asha.post(ADD, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "past_expiry")
    assert not WatchlistEntry.objects.exists()


def test_an_index_that_streams_anyway_uses_no_quota(
    client_of_asha: APIClient, client_of_vikram: APIClient, settings: Settings
) -> None:
    settings.INSTRUMENT_QUOTA = 202
    # The index is the spot of the chain; the VIX streams because of another trader.
    client_of_asha.post(ADD, {"symbol": "NIFTY", "expiry": "17FEB2026", "instrument_type": "INDEX_OPTION"})
    client_of_vikram.post(ADD, INDEX.body)

    answers = [
        client_of_asha.post(ADD, body)
        for body in ({"symbol": "NIFTY", "instrument_type": "INDEX"}, INDEX.body, OPTION.body, TCS)
    ]

    assert [one.status_code for one in answers] == [201, 201, 201, 409]
    assert [one.json()["shared"] for one in answers[:3]] == [1, 1, 1]
    assert client_of_asha.get("/api/v2/watchlist/me").json()["quota"]["used"] == 202


def test_the_index_of_a_removed_chain_streams_on_for_its_entry(client_of_asha: APIClient, listing: Listing) -> None:
    chain = {"symbol": "NIFTY", "instrument_type": "INDEX_OPTION"}
    client_of_asha.post(ADD, chain)
    client_of_asha.post(ADD, {"symbol": "NIFTY", "instrument_type": "INDEX"})

    client_of_asha.post(REMOVE, chain)

    assert Subscription.objects.get().instrument == listing.spots["NIFTY"]
    assert client_of_asha.get("/api/v2/watchlist/me").json()["quota"]["used"] == 1


@pytest.mark.parametrize("count", [2, 12])
def test_a_list_of_options_needs_the_same_number_of_queries_at_any_length(
    asha: User, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    legs = Instrument.objects.filter(underlying_symbol="NIFTY", expiry=date(2026, 2, 24)).exclude(strike=None)
    for leg in legs.order_by("pk")[:count]:
        add_to_watchlist(asha, leg.token, EntryKind.OPTION, now=NOW)

    with django_assert_num_queries(3):
        assert len(selectors.list_entries(user_id=asha.pk)) == count


def test_the_desk_evicts_one_option_and_its_chain_streams_on(client_of_asha: APIClient) -> None:
    client_of_asha.post(ADD, {"symbol": "NIFTY", "expiry": "17FEB2026", "instrument_type": "INDEX_OPTION"})
    client_of_asha.post(ADD, OPTION.body)
    claim = Claim.objects.get(instrument=OPTION.instrument)

    subscriptions.evict_chains(claim_ids=[claim.pk], actor="staff", reason="because", now=timezone.now())

    states = {
        one["instrument_type"]: one["state"] for one in client_of_asha.get("/api/v2/watchlist/me").json()["entries"]
    }
    assert (states["OPTION"], states["INDEX_OPTION"] == "evicted") == ("evicted", False)
    assert Subscription.objects.count() == 203
