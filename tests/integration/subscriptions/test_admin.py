"""The admin for staff: the number of queries of lists, eviction and pinning of claims, the audit log."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from subscriptions import services
from subscriptions.domain.claims import LogAction
from subscriptions.models import Claim, Subscription, SubscriptionLog
from tests.factories import NOW, PASSWORD, Listing, add_to_watchlist, make_user
from tests.integration.subscriptions.claim_factories import claim_chain, claim_instrument, fill_with_shares
from tests.integration.subscriptions.invariants import check_invariants
from watchlists.models import EntryKind

LISTS = ["feedconnection", "subscription", "claim", "subscriptionlog", "endofdayrun", "preloadrule"]
CLAIMS = "/admin/subscriptions/claim/"


def address(model: str) -> str:
    return f"/admin/subscriptions/{model}/"


@pytest.fixture
def root(db: None, client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    return client


def make_clerk(*codenames: str) -> User:
    """Create a member of staff with the permission to view claims and with these permissions."""
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_claim", *codenames]))
    return clerk


def send(client: Client, action: str, claim_id: int, **fields: Any) -> Any:
    return client.post(CLAIMS, {"action": action, "_selected_action": claim_id, **fields})


@pytest.mark.parametrize("model", LISTS)
def test_every_list_can_be_opened(listing: Listing, root: Client, model: str) -> None:
    services.preload_tier_b(now=NOW)
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user("asha").pk)

    assert root.get(address(model)).status_code == 200


@pytest.mark.parametrize("model", LISTS)
def test_a_list_needs_the_same_number_of_queries_at_any_size(listing: Listing, root: Client, model: str) -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert root.get(address(model), {"q": ""}).status_code == 200
        return len(captured)

    services.preload_tier_b(now=NOW)
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user("asha").pk, width=1)
    few = count()
    fill_with_shares(150)
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user("vikram").pk, width=25)

    assert count() == few


@pytest.mark.parametrize("model", ["feedconnection", "subscription", "claim", "subscriptionlog"])
@pytest.mark.parametrize("page", ["add/", "{pk}/change/", "{pk}/delete/"])
def test_rows_written_by_the_system_are_read_only(listing: Listing, root: Client, model: str, page: str) -> None:
    claim_instrument(listing.spots["TCS"].pk, user_id=make_user().pk)
    row = {
        "feedconnection": 1,
        "subscription": Subscription.objects.get().pk,
        "claim": Claim.objects.get().pk,
        "subscriptionlog": SubscriptionLog.objects.get().pk,
    }[model]
    path = address(model) + page.format(pk=row)

    assert root.post(path, {"tier": "B", "post": "yes"}).status_code == 403
    assert root.get(path).status_code == (200 if page.endswith("change/") else 403)


def test_a_subscription_shows_the_names_of_three_traders(listing: Listing, root: Client) -> None:
    for name in ("asha", "meera", "vikram", "zoya"):
        claim_instrument(listing.spots["TCS"].pk, user_id=make_user(name).pk)

    page = root.get(address("subscription"), {"q": "tcs"}).content.decode()

    assert "asha, meera, vikram and others" in page
    assert root.get(address("subscription"), {"q": "reliance"}).content.decode().count("asha") == 0


@pytest.mark.parametrize(
    ("query", "shown"),
    [({}, 3), ({"tier__exact": "B"}, 0), ({"q": "asha"}, 1), ({"q": "TCS"}, 1), ({"kind__exact": "spot"}, 1)],
)
def test_claims_can_be_filtered_and_searched(listing: Listing, root: Client, query: dict[str, str], shown: int) -> None:
    claim_chain(listing.series_of("RELIANCE"), user_id=make_user("asha").pk)
    claim_instrument(listing.spots["TCS"].pk, user_id=make_user("vikram").pk)

    assert root.get(CLAIMS, query).context["cl"].result_count == shown


def test_an_eviction_lists_all_affected_traders_before_it_is_confirmed(listing: Listing, root: Client) -> None:
    series = listing.series_of("RELIANCE")
    claimed = claim_chain(series, user_id=make_user("asha").pk)
    claim_chain(series, user_id=make_user("vikram").pk)
    claim_chain(series, user_id=make_user("meera").pk, width=3)

    page = send(root, "evict", claimed.claim_id).content.decode()

    assert "RELIANCE 24 Feb 2026 x25" in page
    assert "2 traders affected: <strong>asha, vikram</strong>." in page
    assert "<strong>44</strong> instruments stop streaming" in page
    assert Claim.objects.filter(kind="watchlist").count() == 3


def test_a_confirmed_eviction_releases_all_claims_of_the_chain_and_notifies_the_traders(
    listing: Listing, root: Client
) -> None:
    asha, vikram = make_user("asha"), make_user("vikram")
    entry = add_to_watchlist(asha, "RELIANCE", EntryKind.STOCK_OPTION, now=NOW).entry
    add_to_watchlist(vikram, "RELIANCE", EntryKind.STOCK_OPTION, now=NOW)
    entry.refresh_from_db()

    answer = send(root, "evict", entry.claim_id or 0, confirmed="yes", reason="Runaway script")

    assert answer.status_code == 302
    assert not Claim.objects.exists()
    rows = SubscriptionLog.objects.filter(action=LogAction.EVICT).order_by("pk")
    assert [(row.reason, row.actor, row.subject) for row in rows][:2] == [
        ("Runaway script", "root", "RELIANCE 24 Feb 2026 x25"),
        ("Runaway script", "root", "RELIANCE 24 Feb 2026 x25"),
    ]
    entry.refresh_from_db()
    assert entry.claim_id is None
    assert b"Notified: asha, vikram." in root.get(CLAIMS).content
    check_invariants()


def test_an_eviction_without_a_reason_shows_the_form_again(listing: Listing, root: Client) -> None:
    claimed = claim_instrument(listing.spots["TCS"].pk, user_id=make_user().pk)

    answer = send(root, "evict", claimed.claim_id, confirmed="yes", reason="")

    assert answer.status_code == 200
    assert b"This field is required." in answer.content
    assert Claim.objects.exists()


def test_pinning_and_unpinning_apply_to_all_claims_of_a_chain(listing: Listing, root: Client) -> None:
    series = listing.series_of("RELIANCE")
    claimed = claim_chain(series, user_id=make_user("asha").pk)
    claim_chain(series, user_id=make_user("vikram").pk)

    assert b"never evicted to make room" in send(root, "pin", claimed.claim_id).content
    assert not Claim.objects.filter(is_pinned=True).exists()

    send(root, "pin", claimed.claim_id, confirmed="yes")
    assert Claim.objects.filter(is_pinned=True, kind="watchlist").count() == 2

    send(root, "unpin", claimed.claim_id, confirmed="yes")
    assert not Claim.objects.filter(is_pinned=True).exists()
    logged = SubscriptionLog.objects.filter(action__in=["pin", "unpin"]).order_by("pk")
    assert [(row.action, row.actor) for row in logged] == [("pin", "root")] * 2 + [("unpin", "root")] * 2


@pytest.mark.parametrize("action", ["evict", "pin", "unpin"])
def test_staff_with_the_view_permission_only_get_no_action_and_cannot_run_one(
    listing: Listing, client: Client, action: str
) -> None:
    claimed = claim_instrument(listing.spots["TCS"].pk, user_id=make_user().pk)
    client.force_login(make_clerk())

    assert b"Evict" not in client.get(CLAIMS).content
    send(client, action, claimed.claim_id, confirmed="yes", reason="STAFF")

    assert list(Claim.objects.values_list("is_pinned", flat=True)) == [False]


def test_staff_with_the_operate_permission_can_run_actions(listing: Listing, client: Client) -> None:
    claimed = claim_instrument(listing.spots["TCS"].pk, user_id=make_user().pk)
    client.force_login(make_clerk("operate"))

    send(client, "evict", claimed.claim_id, confirmed="yes", reason="STAFF")

    assert not Claim.objects.exists()
    assert SubscriptionLog.objects.filter(action="evict", actor="clerk").count() == 1


def test_tier_b_is_not_evicted(listing: Listing, root: Client) -> None:
    services.preload_tier_b(now=NOW)
    preloaded = Claim.objects.filter(kind="preload").first()
    assert preloaded is not None

    answer = send(root, "evict", preloaded.pk, confirmed="yes", reason="STAFF")

    assert answer.status_code == 302
    assert Claim.objects.filter(pk=preloaded.pk).exists()
    assert b"No tier-A claim was chosen" in root.get(CLAIMS).content


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, 3),
        ({"reason": "WATCHLIST_REMOVE"}, 1),
        ({"action__exact": "subscribe"}, 2),
        ({"tier": "B"}, 0),
        ({"q": "tcs"}, 2),
        ({"q": "trader1"}, 3),
        ({"q": "nobody"}, 0),
        ({"at__gte": "2026-02-11 00:00:00+05:30"}, 0),
    ],
)
def test_the_log_can_be_filtered_and_searched(
    listing: Listing, root: Client, query: dict[str, str], shown: int
) -> None:
    user = make_user()
    released = claim_instrument(listing.spots["TCS"].pk, user_id=user.pk)
    claim_instrument(listing.spots["RELIANCE"].pk, user_id=user.pk)
    services.release_claim(claim_id=released.claim_id, actor="trader1", reason="WATCHLIST_REMOVE", now=NOW)

    assert root.get(address("subscriptionlog"), query).context["cl"].result_count == shown


def test_the_length_of_a_long_log_is_estimated(listing: Listing, root: Client) -> None:
    claim_instrument(listing.spots["TCS"].pk, user_id=make_user().pk)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO subscription_log (at, action, reason, actor, tier, subject, legs, connections, counts)
            SELECT at + n * interval '1 second', action, reason, actor, tier, subject, legs, connections, counts
            FROM subscription_log, generate_series(1, 20000) AS n
            """
        )
        cursor.execute("ANALYZE subscription_log")

    with CaptureQueriesContext(connection) as captured:
        page = root.get(address("subscriptionlog"))

    # The planner estimates about one row for each empty partition.
    assert re.search(r"about 200\d\d subscription logs", page.content.decode())
    assert not [one for one in captured if "COUNT(*)" in one["sql"] and "LIMIT" not in one["sql"]]
    assert root.get(address("subscriptionlog"), {"p": 150}).status_code == 200
