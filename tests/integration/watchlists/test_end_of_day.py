"""R25: at 15:30 IST tier A is released, lists are cleared, browsers notified, once; a late run spares later days."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from marketdata.selectors import IST
from subscriptions import services as subscriptions
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, EndOfDayRun, Subscription, SubscriptionLog
from tests.factories import Listing, add_to_watchlist, open_chain
from tests.integration.watchlists.notice_listeners import record_notices
from watchlists import services, tasks
from watchlists.models import EntryKind, WatchlistEntry

TUESDAY = date(2026, 2, 10)
BEFORE_CUT = datetime(2026, 2, 10, 9, 59, tzinfo=UTC)  # 15:29 IST
CUT = datetime(2026, 2, 10, 10, 0, tzinfo=UTC)  # 15:30 IST
NEXT_MORNING = datetime(2026, 2, 11, 4, 0, tzinfo=UTC)


def ist(day: int, hour: int, minute: int = 0) -> datetime:
    """Return a time of November 2026 in IST."""
    return datetime(2026, 11, day, hour, minute, tzinfo=IST)


def add(user: User, symbol: str, *, now: datetime, kind: EntryKind = EntryKind.EQUITY) -> WatchlistEntry:
    return add_to_watchlist(user, symbol, kind, now=now).entry


def close_tuesday(now: datetime = CUT) -> services.RemovedEntries:
    return services.end_of_day(closes=TUESDAY, actor="beat", now=now)


def counts(removed: services.RemovedEntries) -> tuple[int, int, int]:
    """Return the entries, claims and instruments released."""
    return removed.entries, removed.release.claims, removed.release.released


def test_all_watchlists_are_cleared_and_tier_a_is_released(asha: User, vikram: User) -> None:
    add(asha, "RELIANCE", now=BEFORE_CUT, kind=EntryKind.STOCK_OPTION)
    add(vikram, "TCS", now=BEFORE_CUT)

    cleared = close_tuesday()

    assert counts(cleared) == (2, 2, 51)  # the spot is not counted
    assert not WatchlistEntry.objects.exists()
    assert not Claim.objects.exists()
    assert not Subscription.objects.exists()
    assert SubscriptionLog.objects.filter(reason="EOD_CLEANUP", actor="beat").count() == 3


def test_tier_b_stays(asha: User, listing: Listing) -> None:
    with subscriptions.placement(now=BEFORE_CUT):
        subscriptions.claim_instrument_locked(
            instrument_id=listing.spots["TCS"].pk,
            tier=Tier.B,
            kind=ClaimKind.SPOT,
            user_id=None,
            cause=subscriptions.Cause("PRELOAD", "preload", BEFORE_CUT),
        )
    add(asha, "TCS", now=BEFORE_CUT)

    close_tuesday()

    assert Subscription.objects.get().tier == "B"


def test_a_late_run_releases_nothing_of_the_next_day(asha: User) -> None:
    add(asha, "TCS", now=BEFORE_CUT)
    kept = add(asha, "RELIANCE", now=NEXT_MORNING)

    cleared = close_tuesday(now=NEXT_MORNING)

    assert cleared.entries == 1
    assert WatchlistEntry.objects.get() == kept
    assert WatchlistEntry.objects.get().claim is not None


def test_an_entry_added_at_the_cut_is_not_cleared(asha: User) -> None:
    add(asha, "TCS", now=CUT)

    assert close_tuesday().entries == 0


def test_closing_a_date_twice_releases_nothing_more(asha: User) -> None:
    add(asha, "TCS", now=BEFORE_CUT)
    close_tuesday()

    again = close_tuesday()

    assert again == services.RemovedEntries(0, subscriptions.Release())


def test_an_entry_with_keep_stays_without_its_claim(asha: User) -> None:
    entry = add(asha, "TCS", now=BEFORE_CUT)
    WatchlistEntry.objects.filter(pk=entry.pk).update(keep=True)

    close_tuesday()

    assert WatchlistEntry.objects.get(pk=entry.pk).claim is None
    assert not Subscription.objects.exists()


def test_an_entry_without_a_claim_is_cleared(asha: User) -> None:
    entry = add(asha, "TCS", now=BEFORE_CUT)
    WatchlistEntry.objects.filter(pk=entry.pk).update(claim=None)

    assert close_tuesday().entries == 1


def test_only_browsers_of_affected_traders_are_notified(
    asha: User, vikram: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    add(asha, "TCS", now=BEFORE_CUT)
    with django_capture_on_commit_callbacks() as callbacks:
        close_tuesday()

    notices = record_notices([asha.pk, vikram.pk], callbacks)

    assert notices == {
        asha.pk: [
            {"type": "watchlist_changed"},
            {"type": "notice", "kind": "end_of_day", "text": "End of day 10 Feb: your watchlist was cleared."},
        ],
        vikram.pk: [],
    }


def test_an_addition_notifies_the_other_tabs_of_the_trader(
    asha: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        add(asha, "TCS", now=BEFORE_CUT)

    assert record_notices([asha.pk], callbacks) == {asha.pk: [{"type": "watchlist_changed"}]}


def test_the_task_closes_past_dates_and_is_idempotent(asha: User) -> None:
    add(asha, "TCS", now=BEFORE_CUT)

    tasks.end_of_day.apply()
    tasks.end_of_day.apply(kwargs={"from_a_newer_release": True})

    assert not WatchlistEntry.objects.exists()


@pytest.mark.parametrize("scope", ["all", "closed_segments"])
def test_a_missed_end_of_day_is_run_by_the_five_minute_task(asha: User, settings: Settings, scope: str) -> None:
    settings.EOD_SCOPE = scope
    add(asha, "TCS", now=BEFORE_CUT)

    tasks.close_segments.apply()

    assert not WatchlistEntry.objects.exists()


# With `closed_segments` the market calendar is read too. On a fixed day: after the cut of a weekend it is read anyway.
@pytest.mark.parametrize(("scope", "queries"), [("all", 1), ("closed_segments", 2)])
def test_nothing_left_to_close_needs_one_or_two_queries(
    asha: User, settings: Settings, scope: str, queries: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.EOD_SCOPE = scope
    add(asha, "TCS", now=BEFORE_CUT)
    services.close_past_days(actor="beat", now=NEXT_MORNING)
    assert not WatchlistEntry.objects.exists()

    with django_assert_num_queries(queries):
        services.close_past_days(actor="beat", now=NEXT_MORNING)


def test_a_weekend_releases_nothing(asha: User) -> None:
    friday_noon, friday_evening = ist(20, 12), ist(20, 20)
    add(asha, "TCS", now=friday_noon)

    assert [removed.entries for removed in services.close_past_days(actor="beat", now=ist(20, 15, 31))] == [1]
    prepared = [add(asha, "RELIANCE", now=friday_evening), add(asha, "TCS", now=ist(21, 11))]

    for now in (ist(21, 15, 31), ist(22, 15, 31), ist(23, 9, 15)):
        assert services.close_past_days(actor="beat", now=now) == []
        assert set(WatchlistEntry.objects.exclude(claim=None)) == set(prepared)
    assert [removed.entries for removed in services.close_past_days(actor="beat", now=ist(23, 15, 30))] == [2]


def test_what_is_prepared_for_the_evening_session_of_a_holiday_stays(asha: User) -> None:
    # 24 Nov 2026: the exchanges are closed, commodities trade from 17:00.
    services.close_past_days(actor="beat", now=ist(23, 15, 31))
    prepared = add(asha, "CRUDEOIL", now=ist(23, 20), kind=EntryKind.FUTURE)

    assert services.close_past_days(actor="beat", now=ist(24, 15, 31)) == []
    assert WatchlistEntry.objects.get() == prepared
    assert [removed.entries for removed in services.close_past_days(actor="beat", now=ist(25, 15, 31))] == [1]


def test_a_friday_that_was_missed_is_closed_on_saturday_without_the_entries_after_it(asha: User) -> None:
    add(asha, "TCS", now=ist(20, 12))
    prepared = add(asha, "RELIANCE", now=ist(20, 20))

    assert [removed.entries for removed in services.close_past_days(actor="beat", now=ist(21, 8))] == [1]
    assert WatchlistEntry.objects.get() == prepared


def test_the_run_of_a_clock_that_was_ahead_does_not_replace_the_run_of_the_day(asha: User) -> None:
    services.close_past_days(actor="beat", now=ist(23, 15, 31))  # ahead by three days
    entry = add(asha, "TCS", now=ist(20, 12))
    services.close_past_days(actor="beat", now=ist(20, 12, 5))
    assert WatchlistEntry.objects.get() == entry

    assert [removed.entries for removed in services.close_past_days(actor="beat", now=ist(20, 15, 30))] == [1]
    add(asha, "TCS", now=ist(23, 12))
    assert [removed.entries for removed in services.close_past_days(actor="beat", now=ist(23, 15, 30))] == [1]


def test_the_row_of_a_run_records_its_counts(asha: User) -> None:
    add(asha, "RELIANCE", now=BEFORE_CUT, kind=EntryKind.STOCK_OPTION)

    close_tuesday()

    runs = EndOfDayRun.objects.values_list("closes", "exchange_segment", "ran_at", "actor", "claims", "released")
    assert list(runs) == [(TUESDAY, None, CUT, "beat", 1, 50)]


def test_after_days_without_beat_only_the_last_past_date_is_closed(asha: User) -> None:
    add(asha, "TCS", now=BEFORE_CUT)
    friday_morning = datetime(2026, 2, 13, 4, 0, tzinfo=UTC)
    kept = add(asha, "RELIANCE", now=friday_morning)

    cleared = services.close_past_days(actor="beat", now=friday_morning + timedelta(hours=1))

    assert [counts(one) for one in cleared] == [(1, 1, 1)]
    assert list(EndOfDayRun.objects.values_list("closes", flat=True)) == [date(2026, 2, 12)]
    assert WatchlistEntry.objects.get() == kept
    assert services.close_past_days(actor="beat", now=friday_morning + timedelta(hours=2)) == []


def test_a_run_before_the_cut_does_not_close_the_date(asha: User) -> None:
    add(asha, "TCS", now=BEFORE_CUT)
    close_tuesday(now=BEFORE_CUT)
    add(asha, "RELIANCE", now=BEFORE_CUT)

    assert close_tuesday().entries == 1


def test_the_scope_closed_segments_keeps_entries_of_open_segments(asha: User, settings: Settings) -> None:
    settings.EOD_SCOPE = "closed_segments"
    add(asha, "TCS", now=BEFORE_CUT)
    oil = add(asha, "CRUDEOIL", now=BEFORE_CUT, kind=EntryKind.COMMODITY_OPTION)

    services.close_past_days(actor="beat", now=CUT)

    assert WatchlistEntry.objects.get() == oil
    assert Claim.objects.exclude(kind="spot").get().underlying_symbol == "CRUDEOIL"

    before_midnight = datetime(2026, 2, 10, 18, 25, tzinfo=UTC)  # 23:55 IST
    services.close_past_days(actor="beat", now=before_midnight)
    assert not WatchlistEntry.objects.exists()
    assert not Claim.objects.exists()


def test_a_release_of_tier_a_by_staff_keeps_the_entries_without_their_claims(asha: User) -> None:
    entry = add(asha, "TCS", now=BEFORE_CUT)

    report = services.release_all_tier_a(actor="operator", now=CUT)

    assert (report.claims, report.released, report.user_ids) == (1, 1, frozenset({asha.pk}))
    assert WatchlistEntry.objects.get() == entry
    assert WatchlistEntry.objects.get().claim is None
    assert SubscriptionLog.objects.get(action="unsubscribe").actor == "operator"
    assert not EndOfDayRun.objects.exists()


def test_a_clearing_of_watchlists_by_staff_keeps_explicit_chains(asha: User, listing: Listing) -> None:
    entry = add(asha, "TCS", now=BEFORE_CUT)
    WatchlistEntry.objects.filter(pk=entry.pk).update(keep=True)
    subscriptions.claim_chain(
        chain=open_chain(listing.series_of("RELIANCE"), width=5, now=BEFORE_CUT),
        tier=Tier.A,
        kind=ClaimKind.CHAIN,
        user_id=asha.pk,
        actor="asha",
        reason="API_SUBSCRIBE",
        now=BEFORE_CUT,
    )

    cleared = services.clear_watchlists(actor="operator", now=CUT)

    assert counts(cleared) == (1, 1, 1)
    assert not WatchlistEntry.objects.exists()
    assert set(Claim.objects.values_list("kind", flat=True)) == {"chain", "spot"}
