"""Lists of admin and API with 25,000 subscriptions and a million rows in the audit log.

    .venv/bin/python -m devstack exec -- .venv/bin/python -m benchmarks.bench_admin

Measures complete responses through Django's test client, authentication and template included. Creates a test database
and drops it. Medians in milliseconds. The alternative shows the same lists with the means of a plain ModelAdmin.
"""

# ruff: noqa: I001  Importing the database sets Django up.

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from unittest import mock

from benchmarks.clock import milliseconds
from benchmarks.database import FULL, analyze, hold, in_groups, new_claim, own_database
from benchmarks.report import Figure, record

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.test.utils import setup_test_environment

from accounts.models import User
from subscriptions import selectors
from subscriptions.admin import log, operations
from tests.factories import NOW, make_equities

LEGS = 50  # a chain of 12 + 1 + 12 strikes
TRADERS = 200  # chosen: the largest expected number of users
LOG_ROWS = 1_000_000  # chosen: a long history
ROW_EVERY = timedelta(seconds=2)  # of WRITE_LOG
BUDGET_MS = 300  # chosen: a page of the admin appears without a noticeable wait
REPEATS, PLAIN_REPEATS = 5, 2  # chosen: the median of five is stable; a plain list takes seconds

ADMIN = "/admin/subscriptions/"
PAGES = {
    "connections": ADMIN + "feedconnection/",
    "subscriptions": ADMIN + "subscription/",
    "subscriptions, last page": ADMIN + "subscription/?p=250",
    "subscriptions, of one connection": ADMIN + "subscription/?connection__number__exact=3",
    "subscriptions, searched": ADMIN + "subscription/?q=STOCK123",
    "claims": ADMIN + "claim/",
    "claims, searched": ADMIN + "claim/?q=trader17",
    "claims, by name": ADMIN + "claim/?o=1",
    "audit log": ADMIN + "subscriptionlog/",
    "audit log, page 5,000": ADMIN + "subscriptionlog/?p=5000",
    "audit log, one reason": ADMIN + "subscriptionlog/?reason=WATCHLIST_ADD",
    "audit log, one day": ADMIN + "subscriptionlog/?at__gte=2026-02-10T00:00:00Z&at__lt=2026-02-11T00:00:00Z",
    "audit log, searched": ADMIN + "subscriptionlog/?q=trader17",
    "api: active": "/api/v2/subscriptions/active?limit=200",
    "api: active, of one underlying": "/api/v2/subscriptions/active?underlying=STOCK77",
    "api: one": "/api/v2/subscriptions/STOCK77",
}

WRITE_LOG = """
INSERT INTO subscription_log (at, action, reason, actor, tier, subject, legs, connections, counts)
SELECT %s::timestamptz + n * interval '2 seconds', (ARRAY['subscribe', 'unsubscribe'])[1 + n %% 2],
    (ARRAY['WATCHLIST_ADD', 'EOD_CLEANUP'])[1 + n %% 2], 'trader' || n %% 200, 'A', 'RELIANCE 24 Feb 2026 x25',
    ARRAY[n], '{"1": 1}', '{"legs": 50}'
FROM generate_series(%s, %s) AS n
"""


def fill() -> None:
    """Create 600 claims of 200 traders that hold 25,000 shares, 5,000 of them twice, and a long audit log."""
    traders = User.objects.bulk_create([User(username=f"trader{number}") for number in range(TRADERS)])
    shares = [one.pk for one in make_equities(FULL)]
    groups = in_groups(shares, LEGS)
    groups += groups[:100]
    claims = [new_claim(number) for number in range(len(groups))]
    for number, claim in enumerate(claims):
        claim.user = traders[number % TRADERS]
    hold(claims, groups)
    write_log(1, LOG_ROWS)
    analyze()


def write_log(first: int, last: int) -> None:
    """Add these rows to the audit log, one for every two seconds since NOW."""
    days = ROW_EVERY * last // timedelta(days=1)
    with connection.cursor() as cursor:
        # Steps of 28 days miss no month.
        for month in range(days // 28 + 2):
            cursor.execute("SELECT subscription_log_make_month(%s)", [NOW + timedelta(days=28 * month)])
        cursor.execute(WRITE_LOG, [NOW, first, last])


def load(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, f"{address}: {answer.status_code}"


def read_claimants_by_row(changes: Any, request: HttpRequest) -> None:
    """Load the claimants of a page with a query for each row, as a method of a plain ModelAdmin would."""
    ChangeList.get_results(changes, request)
    changes.result_list = list(changes.result_list)
    for row in changes.result_list:
        row.claimants = selectors.list_claimants(subscription_ids=[row.pk], named=operations.NAMED)[row.pk]


def count_legs_by_row(changes: Any, request: HttpRequest) -> None:
    """Count the legs of the claims of a page with a query for each row."""
    ChangeList.get_results(changes, request)
    changes.result_list = list(changes.result_list)
    for row in changes.result_list:
        row.leg_count = selectors.count_legs(claim_ids=[row.pk]).get(row.pk, 0)


@contextmanager
def plain_lists() -> Iterator[None]:
    """Make the lists those of a plain ModelAdmin: queries for each row, exact counts, filters by DISTINCT."""
    with (
        mock.patch.object(operations.SubscriptionList, "get_results", read_claimants_by_row),
        mock.patch.object(operations.ClaimList, "get_results", count_legs_by_row),
        mock.patch.object(operations.SubscriptionAdmin, "list_select_related", new=False),
        mock.patch.object(operations.ClaimAdmin, "list_select_related", new=False),
        mock.patch.object(log.SubscriptionLogAdmin, "paginator", Paginator),
        mock.patch.object(log.SubscriptionLogAdmin, "list_filter", ["at", "action", "reason", "tier"]),
    ):
        yield


def main() -> None:
    """Measure and record."""
    setup_test_environment()
    with own_database():
        fill()
        client = Client()
        client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
        for name, address in PAGES.items():
            taken = milliseconds(partial(load, client, address), repeats=REPEATS)
            plain = None
            # The REST API has its alternative in bench_http.
            if address.startswith(ADMIN):
                with plain_lists():
                    plain = milliseconds(partial(load, client, address), repeats=PLAIN_REPEATS)
            record(
                Figure(
                    "admin",
                    name,
                    taken,
                    "ms",
                    budget=BUDGET_MS,
                    alternative="plain ModelAdmin",
                    alternative_value=plain,
                )
            )


if __name__ == "__main__":
    main()
