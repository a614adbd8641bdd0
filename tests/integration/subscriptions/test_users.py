"""Deleting a user through the service releases their claims with audit rows; a direct deletion is refused."""

import pytest
from django.db.models import ProtectedError
from django.test import Client
from django.utils import timezone

from accounts.models import User
from subscriptions import services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim, Subscription, SubscriptionLog
from tests.factories import NOW, PASSWORD, Listing, add_to_watchlist, make_user, open_chain
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument
from tests.integration.subscriptions.invariants import check_invariants
from watchlists.models import EntryKind, WatchlistEntry


@pytest.fixture
def root(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    return client


def test_claims_of_a_deleted_user_are_released_and_those_of_others_stay(listing: Listing) -> None:
    asha, vikram = make_user("asha"), make_user("vikram")
    series = listing.series_of("RELIANCE")
    claim_chain(series, user_id=asha.pk)
    claim_chain(series, user_id=vikram.pk)
    claim_instrument(listing.spots["TCS"].pk, user_id=asha.pk)

    report = services.delete_users(user_ids=[asha.pk], actor="root", now=NOW)

    assert (report.claims, report.released, report.kept) == (2, 1, 50)
    assert list(Claim.objects.exclude(user=None).values_list("user__username", flat=True)) == ["vikram"]
    assert Subscription.objects.count() == 51
    check_invariants()


def test_the_log_keeps_the_rows_of_a_deleted_user_and_records_who_deleted_them(listing: Listing) -> None:
    asha = make_user("asha")
    services.claim_chain(
        chain=open_chain(listing.series_of("TCS"), width=3),
        tier=Tier.A,
        kind=ClaimKind.CHAIN,
        user_id=asha.pk,
        actor="asha",
        reason="API_SUBSCRIBE",
        now=NOW,
    )

    services.delete_users(user_ids=[asha.pk], actor="root", now=NOW)

    rows = SubscriptionLog.objects.exclude(subject="TCS").order_by("pk")
    assert [(row.action, row.reason, row.actor, row.subject, row.counts["legs"]) for row in rows] == [
        ("subscribe", "API_SUBSCRIBE", "asha", "TCS 24 Feb 2026 x3", 6),
        ("unsubscribe", "USER_DELETED", "root", "TCS 24 Feb 2026 x3", 6),
    ]


def test_a_user_with_claims_cannot_be_deleted_directly(listing: Listing) -> None:
    asha = make_user("asha")
    claim_instrument(listing.spots["TCS"].pk, user_id=asha.pk)

    with pytest.raises(ProtectedError):
        asha.delete()

    assert Claim.objects.count() == 1


@pytest.mark.parametrize("way", ["page", "action"])
def test_deleting_a_user_in_the_admin_releases_their_watchlist(listing: Listing, root: Client, way: str) -> None:
    asha = make_user("asha")
    now = timezone.now()
    add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, now=now)
    add_to_watchlist(asha, "TCS", EntryKind.EQUITY, now=now)
    page, body = {
        "page": (f"/admin/accounts/user/{asha.pk}/delete/", {}),
        "action": ("/admin/accounts/user/", {"action": "delete_selected", "_selected_action": asha.pk}),
    }[way]

    confirmation = root.get(page) if way == "page" else root.post(page, body)
    answer = root.post(page, {**body, "post": "yes"})

    assert "asha, with their watchlist, API tokens and 2 claims on 51 live instruments" in confirmation.content.decode()
    assert answer.status_code == 302
    assert not User.objects.filter(username="asha").exists()
    assert not WatchlistEntry.objects.exists()
    assert not Subscription.objects.exists()
    assert set(SubscriptionLog.objects.filter(reason="USER_DELETED").values_list("actor", flat=True)) == {"root"}
    check_invariants()


def test_staff_without_the_permission_cannot_delete_users(listing: Listing, client: Client) -> None:
    asha = make_user("asha")
    client.force_login(make_user("clerk", is_staff=True))

    assert client.post(f"/admin/accounts/user/{asha.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(username="asha").exists()
