"""Claims follow their contracts after an import of the instrument file, or are released."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from marketdata import selectors as market
from marketdata.domain.chain import WindowKey
from marketdata.domain.instruments import ExchangeSegment, SeriesKey
from marketdata.models import Instrument
from subscriptions import selectors, services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, PreloadRule, Subscription, SubscriptionLog
from subscriptions.services import FollowReport
from tests import changing_lists as lists
from tests.changing_lists import listed
from tests.factories import NOW, make_user, open_chain, put_prices
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument, leave_free
from tests.integration.subscriptions.invariants import check_invariants

LATER = NOW + timedelta(hours=22)
WEEKLY = SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", lists.WEEKLY)
MOVED = SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", date(2026, 2, 16))
STOCK = SeriesKey(ExchangeSegment.NSE_FNO, "RELIANCE", lists.MONTHLY)
CRUDE = SeriesKey(ExchangeSegment.MCX_COMM, "CRUDEOIL", lists.CRUDE_EXPIRY)


@pytest.fixture
def rows(db: None, own_board: str, settings: Settings, tmp_path: Path) -> list[str]:
    return lists.start_market(settings, tmp_path)


def follow(directory: Path, rows: Sequence[str]) -> FollowReport:
    """Import `rows`, run the pass twice, and return the report of the first run."""
    lists.import_list(directory, rows, now=LATER)
    report = services.follow_contracts(now=LATER)
    assert services.follow_contracts(now=LATER) == FollowReport()
    check_invariants()
    check_keys()
    return report


def check_keys() -> None:
    """Fail unless every subscribed instrument is listed; then no two have one key."""
    held = Subscription.objects.values_list(
        "instrument__is_listed", "instrument__exchange_segment", "instrument__security_id"
    )
    assert all(is_listed for is_listed, _, _ in held)
    assert len(set(held)) == len(held)


def log_of(action: str = "follow") -> list[tuple[str, str, str]]:
    log = SubscriptionLog.objects.filter(action=action, at=LATER).order_by("pk")
    return [(one.reason, one.subject, one.actor) for one in log]


def test_without_a_change_nothing_is_written(rows: list[str], tmp_path: Path) -> None:
    claim_chain(WEEKLY, user_id=make_user().pk, width=5)
    before = list(Subscription.objects.order_by("pk").values())

    assert follow(tmp_path, rows) == FollowReport()

    assert list(Subscription.objects.order_by("pk").values()) == before
    assert not SubscriptionLog.objects.filter(at=LATER).exists()


def test_a_chain_follows_a_moved_expiry_without_a_change_of_its_subscriptions(rows: list[str], tmp_path: Path) -> None:
    claim = claim_chain(WEEKLY, user_id=make_user().pk, width=5).claim_id
    before = list(Subscription.objects.order_by("pk").values())

    report = follow(tmp_path, lists.replaced(rows, ("2026-02-17", "2026-02-16")))

    assert report == FollowReport(followed=1)
    assert Claim.objects.get(pk=claim).series == MOVED
    assert list(Subscription.objects.order_by("pk").values()) == before
    assert market.find_window(key=WindowKey(MOVED, 5)) is not None
    assert market.find_window(key=WindowKey(WEEKLY, 5)) is None
    assert log_of() == [
        ("EXPIRY_MOVED", "NIFTY 17 Feb 2026 x5 to NIFTY 16 Feb 2026 x5", "follow_contracts"),
    ]


def test_tier_b_follows_a_moved_expiry_and_preload_claims_nothing_again(rows: list[str], tmp_path: Path) -> None:
    PreloadRule.objects.update(is_active=False)
    PreloadRule.objects.filter(profile="lean", underlying_symbol="NIFTY").update(is_active=True)
    services.preload_tier_b(now=NOW)
    claims = set(Claim.objects.filter(kind=ClaimKind.PRELOAD).values_list("pk", flat=True))
    before = list(Subscription.objects.order_by("pk").values())
    lists.import_list(tmp_path, lists.replaced(rows, ("2026-02-17", "2026-02-16")), now=LATER)

    report = services.preload_tier_b(now=LATER)

    assert (report.claimed, report.released, len(claims)) == (0, 0, 2)
    assert set(Claim.objects.filter(kind=ClaimKind.PRELOAD).values_list("pk", flat=True)) == claims
    assert list(Subscription.objects.order_by("pk").values()) == before
    check_invariants()


def test_an_explicit_chain_that_is_held_under_the_present_expiry_too_is_released(
    rows: list[str], tmp_path: Path
) -> None:
    user = make_user().pk
    for series in (WEEKLY, SeriesKey(ExchangeSegment.NSE_FNO, "NIFTY", lists.MONTHLY)):
        claim_chain(series, user_id=user, width=5, kind=ClaimKind.CHAIN)
    without_monthly = [row for row in rows if "NIFTY 24 Feb" not in row]

    # The whole weekly series takes the date of the monthly one, whose rows are gone.
    report = follow(tmp_path, lists.replaced(without_monthly, ("2026-02-17", "2026-02-24")))

    assert (report.followed, report.released) == (0, 1)
    assert Claim.objects.get(kind=ClaimKind.CHAIN).expiry == lists.MONTHLY


def test_chains_and_shares_follow_a_renamed_company(rows: list[str], tmp_path: Path) -> None:
    user = make_user().pk
    chain = claim_chain(STOCK, user_id=user, width=5).claim_id
    claim_instrument(listed(59460).pk, user_id=user)
    before = set(Subscription.objects.values_list("instrument_id", flat=True))

    follow(tmp_path, lists.replaced(rows, ("RELIANCE", "JIOREL")))

    assert str(Claim.objects.get(pk=chain).series) == "JIOREL 24 Feb 2026"
    assert set(Subscription.objects.values_list("instrument_id", flat=True)) == before
    assert log_of() == [("RENAMED", "RELIANCE 24 Feb 2026 x5 to JIOREL 24 Feb 2026 x5", "follow_contracts")]


def test_futures_whose_ids_were_exchanged_follow_their_contracts(rows: list[str], tmp_path: Path) -> None:
    users = [make_user(name).pk for name in ("asha", "vikram")]
    claims = [
        claim_instrument(listed(one).pk, user_id=user).claim_id for one, user in zip((59460, 59489), users, strict=True)
    ]

    exchanged = lists.replaced(rows, (",59460,", ",59489,"), (",59489,", ",59460,"))
    report = follow(tmp_path, exchanged)

    assert report.followed == 2
    held = [Claim.objects.select_related("instrument").get(pk=one).instrument for one in claims]
    assert [(one.underlying_symbol, one.security_id) for one in held if one] == [("RELIANCE", 59489), ("TCS", 59460)]
    assert [reason for reason, _, _ in log_of()] == ["NEW_ID", "NEW_ID"]


def test_a_share_with_another_id_is_followed_and_one_that_is_gone_is_released(rows: list[str], tmp_path: Path) -> None:
    user = make_user().pk
    moved, gone = (claim_instrument(listed(one).pk, user_id=user).claim_id for one in (10407, 1467))

    report = follow(
        tmp_path, [*lists.without(rows, "KSHITIJPOL", "AKZOINDIA"), lists.share("KSHITIJPOL", 10412, series="BE")]
    )

    assert (report.followed, report.released) == (1, 1)
    assert Claim.objects.get(pk=moved).instrument == listed(10412)
    assert not Claim.objects.filter(pk=gone).exists()
    assert log_of() == [("NEW_ID", "KSHITIJPOL to KSHITIJPOL", "follow_contracts")]
    assert log_of("unsubscribe") == [("NOT_LISTED", "AKZOINDIA", "follow_contracts")]


def test_an_id_of_a_leg_that_is_another_contract_now_streams_as_that_one_only(rows: list[str], tmp_path: Path) -> None:
    claim_chain(WEEKLY, user_id=make_user().pk, width=5)
    call = listed(48220)  # 25,000 CE, in the middle of the window

    # Every strike is 5 rupees lower, as after a special dividend; the ids stay.
    adjusted = lists.options("NIFTY", lists.WEEKLY, first_id=48200, lowest=24495, step=50)
    follow(tmp_path, [*lists.without(rows, "2026-02-17"), *adjusted])

    assert listed(48220).strike == 24995
    assert listed(48220).pk != call.pk
    window = market.find_window(key=WindowKey(WEEKLY, 5))
    assert window is not None
    assert window.atm == 24995
    assert Subscription.objects.filter(instrument__strike=24995).count() == 2


def test_a_chain_whose_spot_is_another_future_gets_it_and_is_recentred(rows: list[str], tmp_path: Path) -> None:
    late = lists.without(rows, ",472789,")
    lists.import_list(tmp_path, late, now=NOW)
    PreloadRule.objects.update(is_active=False)
    PreloadRule.objects.filter(profile="lean", underlying_symbol="CRUDEOIL").update(is_active=True)
    trader = claim_chain(CRUDE, user_id=make_user().pk, width=5).claim_id
    services.preload_tier_b(now=NOW)
    before = market.find_window(key=WindowKey(CRUDE, 5))
    assert before is not None
    assert before.atm == 6000

    report = follow(tmp_path, rows)

    assert report.spots == 2
    window = market.find_window(key=WindowKey(CRUDE, 5))
    assert window is not None
    assert (int(window.ltp), int(window.atm)) == (5810, 5800)
    march = listed(472789)
    spots = {(one.tier, one.spot.instrument_id) for one in Claim.objects.filter(expiry=CRUDE.expiry) if one.spot}
    assert spots == {(Tier.A, march.pk), (Tier.B, march.pk)}
    assert Claim.objects.get(pk=trader).window_key == WindowKey(CRUDE, 5)
    # A later move of the price moves the window, too.
    put_prices({march.pk: 6_210.0}, now=LATER + timedelta(minutes=1))
    assert services.recentre(now=LATER + timedelta(minutes=1)).moved == 2


def test_a_chain_follows_the_spot_of_a_share_with_another_id(rows: list[str], tmp_path: Path) -> None:
    claim_chain(STOCK, user_id=make_user().pk, width=5)

    follow(tmp_path, lists.replaced(rows, (",2885,", ",2889,")))

    assert Claim.objects.get(kind=ClaimKind.SPOT).instrument == listed(2889)
    assert ("SPOT_CHANGED", "RELIANCE 24 Feb 2026 x5", "follow_contracts") in log_of()


def test_a_chain_whose_series_or_spot_is_gone_is_released(rows: list[str], tmp_path: Path) -> None:
    user = make_user().pk
    claim_chain(WEEKLY, user_id=user, width=5)
    claim_chain(CRUDE, user_id=user, width=5)

    report = follow(tmp_path, lists.without(rows, "2026-02-17", "FUTCOM"))

    assert report.released == 2
    assert not Claim.objects.exists()
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    ("security_id", "change"),
    [(48220, ("2026-02-17", "2026-02-16")), (59460, (",59460,", ",59466,")), (472789, (",472789,", ",472780,"))],
)
def test_the_check_finds_and_repairs_claims_that_did_not_follow(
    rows: list[str], tmp_path: Path, security_id: int, change: tuple[str, str]
) -> None:
    user = make_user().pk
    claim_chain(WEEKLY, user_id=user, width=5)
    claim_chain(CRUDE, user_id=user, width=5)
    claim_instrument(listed(59460).pk, user_id=user)
    assert differences() == []
    lists.import_list(tmp_path, lists.replaced(rows, change), now=LATER)
    assert len(differences()) >= 1

    assert all(one.endswith("(repaired)") for one in differences(repair=True))

    assert differences() == []
    check_invariants()
    check_keys()
    assert [actor for _, _, actor in log_of()] == ["operator1"]
    assert security_id


def test_the_check_repairs_two_subscribed_rows_with_one_key(rows: list[str]) -> None:
    # As versions before 2.0 left it: the former series holds its own rows, the present one new rows with the same keys.
    first, second = (make_user(name).pk for name in ("asha", "vikram"))
    claim_chain(WEEKLY, user_id=first, width=5)
    former = list(Instrument.objects.filter(expiry=lists.WEEKLY))
    Instrument.objects.filter(expiry=lists.WEEKLY).update(is_listed=False)
    for one in former:
        one.pk, one.expiry, one.is_listed = None, MOVED.expiry, True
        one.token = one.token.replace("17FEB", "16FEB")
    Instrument.objects.bulk_create(former)
    claim_chain(MOVED, user_id=second, width=5)
    assert "NSE_FNO:48220 is subscribed as 2 instruments" in differences()

    assert all(one.endswith("(repaired)") for one in differences(repair=True))

    assert differences() == []
    check_invariants()
    check_keys()
    assert {claim.series for claim in Claim.objects.exclude(kind=ClaimKind.SPOT)} == {MOVED}


def differences(*, repair: bool = False) -> list[str]:
    """Return the differences of the rows, without those of the board such as a missing owner."""
    found = services.check(repair=repair, actor="operator1", now=LATER)
    return [str(one) for one in found if not one.is_of_owners]


def test_of_two_subscribed_rows_with_one_key_the_listed_one_is_wanted(rows: list[str], tmp_path: Path) -> None:
    # Between an import that gave the id to another contract and the pass after it.
    first, second = (make_user(name).pk for name in ("asha", "vikram"))
    claim_instrument(listed(59460).pk, user_id=first)
    lists.import_list(tmp_path, lists.replaced(rows, ("RELIANCE-Feb2026-FUT", "NEWCO-Feb2026-FUT")), now=LATER)
    claim_instrument(listed(59460).pk, user_id=second)
    Subscription.objects.update(connection=1)

    (wanted,) = selectors.list_wanted(connection=1)

    assert (wanted.instrument_id, wanted.key.security_id) == (listed(59460).pk, 59460)


def test_the_window_of_the_claims_replaces_one_that_a_view_stored(rows: list[str], tmp_path: Path) -> None:
    claim_chain(WEEKLY, user_id=make_user().pk, width=5)
    before = list(Subscription.objects.order_by("pk").values())
    lists.import_list(tmp_path, lists.replaced(rows, ("2026-02-17", "2026-02-16")), now=LATER)
    put_prices({listed(13).pk: 25_210.0}, now=LATER)
    nifty = market.find_underlying(symbol="NIFTY")
    moved = market.get_series(underlying=nifty, expiry=MOVED.expiry, now=LATER)
    services.view_chain(listing=moved, width=5, user_id=None, now=LATER)

    services.follow_contracts(now=LATER)

    assert list(Subscription.objects.order_by("pk").values()) == before
    check_invariants()


def open_in_browser(series: SeriesKey, *, width: int = 5, now: datetime = NOW) -> None:
    chain = open_chain(series, width=width, now=now)
    assert services.claim_view(chain=chain, user_id=None, is_opening=True, now=now)


def test_a_view_of_a_renamed_underlying_is_released_and_a_claim_of_a_trader_follows(
    rows: list[str], tmp_path: Path
) -> None:
    claim_chain(STOCK, user_id=make_user().pk, width=5)
    open_in_browser(STOCK)

    report = follow(tmp_path, lists.replaced(rows, ("RELIANCE", "JIOREL")))

    assert (report.followed, report.released) == (1, 1)
    assert not Claim.objects.filter(kind=ClaimKind.VIEW).exists()
    assert log_of("unsubscribe") == [("RENAMED", "RELIANCE 24 Feb 2026 x5", "follow_contracts")]


def test_a_view_with_another_spot_is_released(rows: list[str], tmp_path: Path) -> None:
    open_in_browser(STOCK)

    follow(tmp_path, lists.replaced(rows, (",2885,", ",2889,")))

    assert ("SPOT_CHANGED", "RELIANCE 24 Feb 2026 x5", "follow_contracts") in log_of("unsubscribe")
    assert not Subscription.objects.exists()


def test_a_view_with_other_strikes_is_released_and_evicts_nothing(rows: list[str], tmp_path: Path) -> None:
    trader = claim_chain(STOCK, user_id=make_user().pk, width=5).claim_id
    open_in_browser(WEEKLY)
    leave_free(0)

    adjusted = lists.options("NIFTY", lists.WEEKLY, first_id=48200, lowest=24495, step=50)
    report = follow(tmp_path, [*lists.without(rows, "2026-02-17"), *adjusted])

    assert report == FollowReport(released=1)
    assert ("NOT_LISTED", "NIFTY 17 Feb 2026 x5", "follow_contracts") in log_of("unsubscribe")
    assert set(Claim.objects.exclude(kind=ClaimKind.SPOT).values_list("pk", flat=True)) == {trader}


def test_the_window_of_a_claim_that_follows_replaces_that_of_a_view(rows: list[str], tmp_path: Path) -> None:
    claim_chain(WEEKLY, user_id=make_user().pk, width=5)
    before = list(Subscription.objects.order_by("pk").values())
    lists.import_list(tmp_path, lists.replaced(rows, ("2026-02-17", "2026-02-16")), now=LATER)
    put_prices({listed(13).pk: 25_210.0}, now=LATER)
    open_in_browser(MOVED, now=LATER)

    services.follow_contracts(now=LATER)

    assert list(Subscription.objects.order_by("pk").values()) == before
    check_invariants()
