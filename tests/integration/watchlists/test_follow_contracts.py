"""From one instrument file to the next: entries, claims, audit log and notices of traders who hold what changed."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models import F
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from marketdata.models import InstrumentImport
from subscriptions.models import Claim, FeedConnection, Subscription, SubscriptionLog
from tests import changing_lists as lists
from tests.changing_lists import listed
from tests.factories import NOW, add_to_watchlist, make_user
from tests.integration.subscriptions.invariants import check_invariants
from tests.integration.watchlists.notice_listeners import record_notices
from watchlists import services, tasks
from watchlists.models import EntryKind, WatchlistEntry
from watchlists.services import add_entry

LATER = NOW + timedelta(hours=22)
APRIL = date(2026, 4, 20)
MORNING = datetime(2026, 2, 11, 3, 15, tzinfo=UTC)  # 08:45 IST


@pytest.fixture
def rows(db: None, own_board: str, settings: Settings, tmp_path: Path) -> list[str]:
    return lists.start_market(settings, tmp_path)


@pytest.fixture
def asha(rows: list[str]) -> User:
    return make_user("asha")


@pytest.fixture
def vikram(rows: list[str]) -> User:
    return make_user("vikram")


class Follower:
    """Imports a list, runs the pass twice, and keeps the notices of the first run."""

    def __init__(self, directory: Path, capture: DjangoCaptureOnCommitCallbacks) -> None:
        self._directory = directory
        self._capture = capture

    def follow(self, user: User, rows: Sequence[str], *, day: int = 1) -> list[tuple[str, str]]:
        """Return (kind, text) of each notice that `user` gets."""
        now = NOW + timedelta(days=day) - timedelta(hours=2)
        lists.import_list(self._directory, rows, now=now)
        with self._capture() as callbacks:
            services.follow_contracts(now=now)
        with self._capture() as none:
            assert services.follow_contracts(now=now) == services.FollowedEntries()
        assert none == []
        check_invariants()
        assert services.review_entries() == []
        assert not Subscription.objects.filter(instrument__is_listed=False).exists()
        received = record_notices([user.pk], callbacks)[user.pk]
        return [(one["kind"], one["text"]) for one in received if one["type"] == "notice"]


@pytest.fixture
def follower(tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Follower:
    return Follower(tmp_path, django_capture_on_commit_callbacks)


def entry_of(user: User) -> WatchlistEntry:
    return WatchlistEntry.objects.select_related("instrument", "claim__instrument").get(user=user)


def log_of() -> list[tuple[str, str]]:
    log = SubscriptionLog.objects.filter(action="follow").order_by("pk")
    return [(one.reason, one.subject) for one in log]


def test_an_entry_follows_a_moved_expiry_and_its_trader_gets_one_notice(
    asha: User, rows: list[str], follower: Follower
) -> None:
    entry = add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION).entry
    before = list(Subscription.objects.order_by("pk").values())

    received = follower.follow(asha, lists.replaced(rows, ("2026-02-17", "2026-02-16")))

    assert received == [("followed", "NIFTY 17 Feb is NIFTY 16 Feb now.")]
    assert (entry_of(asha).pk, entry_of(asha).expiry) == (entry.pk, date(2026, 2, 16))
    assert [claim.expiry for claim in Claim.objects.filter(watchlist_entry=entry)] == [date(2026, 2, 16)]
    assert list(Subscription.objects.order_by("pk").values()) == before
    assert log_of() == [("EXPIRY_MOVED", "NIFTY 17 Feb 2026 x101 to NIFTY 16 Feb 2026 x101")]


def test_a_future_whose_expiry_moves_keeps_its_stream(asha: User, rows: list[str], follower: Follower) -> None:
    add_to_watchlist(asha, "RELIANCE", EntryKind.FUTURE)
    before = list(Subscription.objects.values())

    received = follower.follow(asha, lists.replaced(rows, ("2026-02-24", "2026-02-23")))

    assert received == [("followed", "RELIANCE 24 Feb is RELIANCE 23 Feb now.")]
    assert entry_of(asha).expiry == date(2026, 2, 23)
    assert list(Subscription.objects.values()) == before
    assert log_of() == [("EXPIRY_MOVED", "RELIANCE 24 Feb to RELIANCE 23 Feb")]


OPTION = "NIFTY_17FEB2026_25000CE"


def test_an_option_whose_expiry_moves_keeps_its_stream_and_is_named_with_its_strike(
    asha: User, rows: list[str], follower: Follower
) -> None:
    add_to_watchlist(asha, OPTION, EntryKind.OPTION)
    before = list(Subscription.objects.values())

    received = follower.follow(asha, lists.replaced(rows, ("2026-02-17", "2026-02-16")))

    assert received == [("followed", "NIFTY 17 Feb 25,000 CE is NIFTY 16 Feb 25,000 CE now.")]
    assert entry_of(asha).expiry == date(2026, 2, 16)
    assert list(Subscription.objects.values()) == before
    assert log_of() == [("EXPIRY_MOVED", "NIFTY 17 Feb 25,000 CE to NIFTY 16 Feb 25,000 CE")]


def test_an_option_follows_its_id_and_one_of_its_series_that_is_delisted_is_removed(
    asha: User, rows: list[str], follower: Follower
) -> None:
    add_to_watchlist(asha, OPTION, EntryKind.OPTION)
    add_to_watchlist(asha, "NIFTY_17FEB2026_25050PE", EntryKind.OPTION)

    received = follower.follow(asha, lists.without(lists.replaced(rows, (",48220,", ",49999,")), ",48223,"))

    assert received == [
        ("followed", "NIFTY 17 Feb 25,000 CE has another id at the exchange now."),
        ("not_listed", "No longer listed and removed from your watchlist: NIFTY 17 Feb 25,050 PE."),
    ]
    assert entry_of(asha).instrument == listed(49999)


def test_an_expired_option_is_left_to_the_morning(
    asha: User,
    rows: list[str],
    follower: Follower,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    add_to_watchlist(asha, OPTION, EntryKind.OPTION, keep=True)
    settings.MARKET_DATE = date(2026, 2, 18)

    with django_capture_on_commit_callbacks() as callbacks:
        removed = services.release_expired(now=NOW + timedelta(days=8))

    assert (removed.entries, removed.release.claims, removed.release.released) == (1, 1, 1)
    texts = [one["text"] for one in record_notices([asha.pk], callbacks)[asha.pk] if one["type"] == "notice"]
    assert texts == ["Expired and removed from your watchlist: NIFTY 17 Feb 25,000 CE."]
    assert follower.follow(asha, lists.without(rows, "2026-02-17"), day=8) == []


def test_an_entry_follows_its_share_into_another_series(asha: User, rows: list[str], follower: Follower) -> None:
    add_to_watchlist(asha, "KSHITIJPOL", EntryKind.EQUITY)
    moved = [*lists.without(rows, "KSHITIJPOL"), lists.share("KSHITIJPOL", 10412, series="BE")]

    received = follower.follow(asha, moved)

    assert received == [("followed", "KSHITIJPOL has another id at the exchange now.")]
    assert entry_of(asha).instrument == listed(10412)
    assert set(Subscription.objects.values_list("instrument__security_id", flat=True)) == {10412}
    assert log_of() == [("NEW_ID", "KSHITIJPOL to KSHITIJPOL")]


def test_a_kept_entry_without_a_claim_follows_and_is_claimed_on_the_present_share(
    asha: User, rows: list[str], tmp_path: Path
) -> None:
    add_to_watchlist(asha, "KSHITIJPOL", EntryKind.EQUITY, keep=True)
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION, keep=True)
    services.end_of_day(closes=lists.TODAY, actor="beat", now=NOW + timedelta(hours=6))
    moved = [*lists.without(rows, "KSHITIJPOL"), lists.share("KSHITIJPOL", 10412, series="BE")]
    lists.import_list(tmp_path, lists.replaced(moved, ("2026-02-17", "2026-02-16")), now=LATER)

    assert services.restore_kept(now=MORNING) == services.Restored(entries=2)

    claims = Claim.objects.exclude(kind="spot").order_by("pk")
    assert [claim.subject for claim in claims] == ["KSHITIJPOL", "NIFTY 16 Feb 2026 x101"]
    assert claims[0].instrument == listed(10412)
    assert log_of() == [("NEW_ID", "KSHITIJPOL to KSHITIJPOL"), ("EXPIRY_MOVED", "NIFTY 17 Feb to NIFTY 16 Feb")]


def test_an_entry_follows_a_renamed_share(asha: User, rows: list[str], follower: Follower) -> None:
    share = add_to_watchlist(asha, "AKZOINDIA", EntryKind.EQUITY).entry.instrument_id

    received = follower.follow(asha, lists.replaced(rows, ("AKZOINDIA", "JSWDULUX")))

    assert received == [("followed", "AKZOINDIA is JSWDULUX now.")]
    assert (entry_of(asha).instrument_id, entry_of(asha).underlying_symbol) == (share, "JSWDULUX")
    assert log_of() == [("RENAMED", "AKZOINDIA to JSWDULUX")]


def test_a_renamed_underlying_takes_chain_and_future_along(asha: User, rows: list[str], follower: Follower) -> None:
    for kind in (EntryKind.STOCK_OPTION, EntryKind.FUTURE, EntryKind.EQUITY):
        add_to_watchlist(asha, "RELIANCE", kind)

    (notice,) = follower.follow(asha, lists.replaced(rows, ("RELIANCE", "JIOREL")))

    assert notice == ("followed", "RELIANCE 24 Feb is JIOREL 24 Feb now; RELIANCE is JIOREL now.")
    assert set(WatchlistEntry.objects.values_list("underlying_symbol", flat=True)) == {"JIOREL"}


def test_entries_follow_their_contracts_when_two_futures_exchange_ids(
    asha: User, vikram: User, rows: list[str], follower: Follower
) -> None:
    add_to_watchlist(asha, "RELIANCE", EntryKind.FUTURE)
    add_to_watchlist(vikram, "TCS", EntryKind.FUTURE)

    follower.follow(asha, lists.replaced(rows, (",59460,", ",59489,"), (",59489,", ",59460,")))

    held = {user.username: entry_of(user).instrument for user in (asha, vikram)}
    assert {name: (one.token, one.security_id) for name, one in held.items() if one} == {
        "asha": ("RELIANCE_24FEB2026_FUT", 59489),
        "vikram": ("TCS_24FEB2026_FUT", 59460),
    }


def test_an_entry_that_becomes_a_second_line_is_removed(
    asha: User, rows: list[str], tmp_path: Path, follower: Follower
) -> None:
    both = [*rows, lists.share("KSHITIJPOL", 10412, series="BE")]
    lists.import_list(tmp_path, both, now=NOW)
    add_to_watchlist(asha, "KSHITIJPOL", EntryKind.EQUITY)
    add_to_watchlist(asha, "KSHITIJPOL-BE", EntryKind.EQUITY)

    received = follower.follow(asha, lists.without(both, ",10407,"))

    assert received == [("followed", "KSHITIJPOL has another id at the exchange now, which is on your list already.")]
    assert entry_of(asha).instrument == listed(10412)
    assert Claim.objects.count() == 1


def test_entries_of_delisted_items_are_removed_with_a_notice(asha: User, rows: list[str], follower: Follower) -> None:
    add_to_watchlist(asha, "AKZOINDIA", EntryKind.EQUITY)
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION, keep=True)
    add_to_watchlist(asha, "RELIANCE", EntryKind.EQUITY)

    received = follower.follow(asha, lists.without(rows, "AKZOINDIA", "2026-02-17"))

    assert received == [("not_listed", "No longer listed and removed from your watchlist: AKZOINDIA, NIFTY 17 Feb.")]
    assert entry_of(asha).underlying_symbol == "RELIANCE"
    log = SubscriptionLog.objects.filter(reason="NOT_LISTED").order_by("pk")
    assert [one.subject for one in log] == ["AKZOINDIA", "NIFTY 17 Feb 2026 x101", "NIFTY"]


def test_an_expiry_that_moves_there_and_back_is_followed_both_times(
    asha: User, rows: list[str], follower: Follower
) -> None:
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION)

    for day, expiry in enumerate(("2026-02-16", "2026-02-18", "2026-02-17"), start=1):
        follower.follow(asha, lists.replaced(rows, ("2026-02-17", expiry)), day=day)
        assert str(entry_of(asha).expiry) == expiry

    assert len(log_of()) == 3


def test_the_task_runs_once_after_an_import(asha: User, rows: list[str], tmp_path: Path) -> None:
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION)
    lists.import_list(tmp_path, lists.replaced(rows, ("2026-02-17", "2026-02-16")), now=LATER)

    tasks.follow_contracts.apply()
    tasks.follow_contracts.apply()

    assert len(log_of()) == 1
    assert InstrumentImport.objects.order_by("-pk")[0].followed_at is not None


def test_the_check_command_repairs_entries_and_claims(asha: User, rows: list[str], tmp_path: Path) -> None:
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION)
    lists.import_list(tmp_path, lists.replaced(rows, ("2026-02-17", "2026-02-16")), now=LATER)
    output = StringIO()

    with pytest.raises(SystemExit):
        call_command("check_subscriptions", wait=0.0, stdout=output)

    entry = entry_of(asha)
    assert f"entry {entry.pk} refers to NIFTY 17 Feb, which is NIFTY 16 Feb now" in output.getvalue()
    assert f"claim {entry.claim_id} (NIFTY 17 Feb 2026 x101) refers to an item that another one" in output.getvalue()
    assert services.check(repair=True, actor="operator1", now=LATER) != []
    assert [one for one in services.check(repair=False, actor="operator1", now=LATER) if not one.is_of_owners] == []
    check_invariants()


def fill_every_slot(*, pinned: bool = True) -> None:
    """Leave no free slot, and nothing to evict if all claims are `pinned`."""
    FeedConnection.objects.update(capacity=F("load"))
    Claim.objects.update(is_pinned=pinned)


def hold_reliance(user: User) -> None:
    """Add the share, its chain, whose spot is the share, and its future to the list of `user`."""
    for kind in (EntryKind.EQUITY, EntryKind.STOCK_OPTION, EntryKind.FUTURE):
        add_to_watchlist(user, "RELIANCE", kind)


def evicted_of(user: User) -> list[str]:
    lost = WatchlistEntry.objects.filter(user=user, claim=None).order_by("pk")
    return [one.underlying_symbol for one in lost]


NEW_IDS = [(",2885,", ",2889,"), (",59460,", ",59466,")]


def test_at_full_capacity_items_take_the_slots_of_their_former_ids(
    asha: User, rows: list[str], follower: Follower
) -> None:
    hold_reliance(asha)
    fill_every_slot()

    received = follower.follow(asha, lists.replaced(rows, *NEW_IDS))

    assert [kind for kind, _ in received] == ["followed"]
    assert evicted_of(asha) == []
    held = set(Subscription.objects.filter(instrument__strike=None).values_list("instrument__security_id", flat=True))
    assert held == {2889, 59466}


def test_at_full_capacity_nobody_loses_a_chain_to_a_new_id(
    asha: User, vikram: User, rows: list[str], follower: Follower
) -> None:
    hold_reliance(asha)
    add_to_watchlist(vikram, "NIFTY", EntryKind.INDEX_OPTION)
    fill_every_slot(pinned=False)

    follower.follow(vikram, lists.replaced(rows, *NEW_IDS))

    assert evicted_of(asha) == evicted_of(vikram) == []
    assert not SubscriptionLog.objects.filter(action="evict").exists()


def test_a_chain_whose_new_spot_has_no_slot_ends_with_a_notice_and_the_others_follow(
    asha: User, vikram: User, rows: list[str], follower: Follower, tmp_path: Path
) -> None:
    # Without March, April is the spot of the chain; it stays on the list of another trader.
    lists.import_list(tmp_path, lists.without(rows, ",472789,"), now=NOW)
    add_to_watchlist(asha, "CRUDEOIL", EntryKind.COMMODITY_OPTION)
    add_to_watchlist(asha, "RELIANCE", EntryKind.FUTURE)
    add_entry(user_id=vikram.pk, actor="vikram", symbol="CRUDEOIL", kind=EntryKind.FUTURE, now=NOW, expiry=APRIL)
    fill_every_slot()

    received = follower.follow(asha, lists.replaced(rows, *NEW_IDS))

    assert ("evicted", "Streaming stopped, no room for the changed contracts: CRUDEOIL 17 Mar.") in received
    assert evicted_of(asha) == ["CRUDEOIL"]
    assert evicted_of(vikram) == []
    assert Subscription.objects.filter(instrument__security_id=59466).exists()
    ended = SubscriptionLog.objects.get(action="unsubscribe", subject__startswith="CRUDEOIL 17 Mar 2026 x")
    assert (ended.reason, ended.actor) == ("CAPACITY", "follow_contracts")


def test_a_chain_whose_contracts_are_others_and_more_now_ends_with_a_notice(
    asha: User, rows: list[str], follower: Follower
) -> None:
    add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION)
    fill_every_slot()

    # Every strike is 5 rupees lower, the ids stay, and four more strikes are listed.
    adjusted = lists.options("NIFTY", lists.WEEKLY, first_id=48200, lowest=24495, step=50, strikes=25)
    received = follower.follow(asha, [*lists.without(rows, "2026-02-17"), *adjusted])

    assert received == [("evicted", "Streaming stopped, no room for the changed contracts: NIFTY 17 Feb.")]
    assert evicted_of(asha) == ["NIFTY"]
    # The trader can have it back as soon as there is room.
    FeedConnection.objects.update(capacity=5_000)
    assert add_to_watchlist(asha, "NIFTY", EntryKind.INDEX_OPTION).placed.legs == 50
