"""Staff actions on all traders over REST: they need the operate permission and are audited with their actor."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from subscriptions import services as subscriptions
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, Subscription, SubscriptionLog
from tests.factories import PASSWORD, Listing, add_to_watchlist, make_user, open_chain
from tests.integration.subscriptions.invariants import check_invariants
from tests.integration.watchlists.conftest import client_of
from watchlists.models import EntryKind, WatchlistEntry

ADMIN = "/api/v2/admin/"
ACTIONS = ["unsubscribe-all-tier-a", "clear-watchlists"]


@pytest.fixture
def before() -> datetime:
    return timezone.now() - timedelta(minutes=1)


@pytest.fixture
def operator(listing: Listing) -> APIClient:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="operate"))
    return client_of(clerk)


@pytest.fixture
def busy(listing: Listing, asha: User, vikram: User, before: datetime) -> Listing:
    """Return a market with tier B, a chain that two traders share, an equity with `keep`, and an explicit chain."""
    subscriptions.preload_tier_b(now=before)
    add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, now=before)
    add_to_watchlist(vikram, "RELIANCE", EntryKind.STOCK_OPTION, now=before)
    kept = add_to_watchlist(vikram, "TCS", EntryKind.EQUITY, now=before).entry
    WatchlistEntry.objects.filter(pk=kept.pk).update(keep=True)
    subscriptions.claim_chain(
        chain=open_chain(listing.series_of("TCS"), width=3, now=before),
        tier=Tier.A,
        kind=ClaimKind.CHAIN,
        user_id=asha.pk,
        actor="asha",
        reason="API_SUBSCRIBE",
        now=before,
    )
    return listing


def test_releasing_tier_a_releases_all_its_claims_and_keeps_tier_b_and_the_entries(
    busy: Listing, operator: APIClient
) -> None:
    always_on = Subscription.objects.filter(tier=Tier.B).count()

    answer = operator.post(ADMIN + "unsubscribe-all-tier-a")

    # The 50 shared legs and the 6 of the explicit chain; TCS is also the spot of its chain, and spots are not counted.
    assert (answer.status_code, answer.json()) == (200, {"claims": 4, "released": 56, "kept": 51})
    assert Subscription.objects.count() == always_on
    assert WatchlistEntry.objects.filter(claim=None).count() == 3
    check_invariants()


def test_clearing_watchlists_releases_entries_and_their_claims_and_no_explicit_chain(
    busy: Listing, operator: APIClient
) -> None:
    answer = operator.post(ADMIN + "clear-watchlists")

    assert (answer.status_code, answer.json()["entries"], answer.json()["claims"]) == (200, 3, 3)
    assert not WatchlistEntry.objects.exists()
    assert list(Claim.objects.filter(tier="A").exclude(kind="spot").values_list("kind", flat=True)) == ["chain"]
    check_invariants()


@pytest.mark.parametrize("action", ACTIONS)
def test_the_log_records_the_operator(busy: Listing, operator: APIClient, action: str) -> None:
    operator.post(ADMIN + action)

    rows = SubscriptionLog.objects.filter(action="unsubscribe", subject="RELIANCE 24 Feb 2026 x25")
    assert list(rows.values_list("actor", "tier")) == [("clerk", "A")] * 2


@pytest.mark.parametrize("action", ACTIONS)
def test_the_counts_are_zero_when_nothing_is_released(listing: Listing, operator: APIClient, action: str) -> None:
    answer = operator.post(ADMIN + action)

    assert answer.status_code == 200
    assert set(answer.json().values()) == {0}


@pytest.mark.parametrize("action", ACTIONS)
def test_staff_status_and_the_operate_permission_are_both_required(busy: Listing, asha: User, action: str) -> None:
    asha.user_permissions.add(Permission.objects.get(codename="operate"))
    before = Claim.objects.count()

    for caller in (client_of(make_user("guard", is_staff=True)), client_of(asha)):
        answer = caller.post(ADMIN + action)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert answer["Content-Type"] == "application/problem+json"
    assert APIClient().post(ADMIN + action).status_code == 401

    assert (Claim.objects.count(), WatchlistEntry.objects.count()) == (before, 3)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_superuser_is_accepted(listing: Listing, action: str) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)

    assert client_of(root).post(ADMIN + action).status_code == 200


@pytest.mark.parametrize("action", ACTIONS)
def test_a_get_request_releases_nothing(busy: Listing, operator: APIClient, action: str) -> None:
    before = Claim.objects.count()

    assert operator.get(ADMIN + action).status_code == 405
    assert Claim.objects.count() == before


@pytest.mark.parametrize("action", ACTIONS)
def test_a_login_session_of_staff_needs_its_csrf_token(listing: Listing, action: str) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(User.objects.create_superuser("root", password=PASSWORD))

    assert browser.post(ADMIN + action).status_code == 403
