"""Lists of admin and API with 25,000 subscriptions and a million rows in the audit log.

    .venv/bin/python -m devstack exec -- .venv/bin/python -m benchmarks.bench_admin

Measures complete responses through Django's test client, authentication and template included. Creates a test database
and drops it. Medians in milliseconds.
"""

# ruff: noqa: I001  Importing the database sets Django up.

from datetime import timedelta
from functools import partial

from benchmarks.clock import milliseconds
from benchmarks.database import FULL, analyze, hold, in_groups, new_claim, own_database

from django.db import connection
from django.test import Client
from django.test.utils import setup_test_environment

from accounts.models import User
from tests.factories import NOW, make_equities

LEGS = 50  # a chain of 12 + 1 + 12 strikes
TRADERS = 200  # chosen: the largest expected number of users
LOG_ROWS = 1_000_000  # chosen: a long history
BUDGET_MS = 300  # chosen: a page of the admin appears without a noticeable wait
REPEATS = 5  # chosen: the median of five is stable

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

_WRITE_LOG = """
INSERT INTO subscription_log (at, action, reason, actor, tier, subject, legs, connections, counts)
SELECT %s::timestamptz + n * interval '2 seconds', (ARRAY['subscribe', 'unsubscribe'])[1 + n %% 2],
    (ARRAY['WATCHLIST_ADD', 'EOD_CLEANUP'])[1 + n %% 2], 'trader' || n %% 200, 'A', 'RELIANCE 24 Feb 2026 x25',
    ARRAY[n], '{"1": 1}', '{"legs": 50}'
FROM generate_series(1, %s) AS n
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
    with connection.cursor() as cursor:
        for month in range(2):
            cursor.execute("SELECT subscription_log_make_month(%s)", [NOW + timedelta(days=28 * month)])
        cursor.execute(_WRITE_LOG, [NOW, LOG_ROWS])
    analyze()


def load(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, f"{address}: {answer.status_code}"


def main() -> None:
    setup_test_environment()
    with own_database():
        fill()
        client = Client()
        client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
        for name, address in PAGES.items():
            taken = milliseconds(partial(load, client, address), repeats=REPEATS)
            verdict = "" if taken <= BUDGET_MS else "   over budget"
            print(f"{name:<34} {taken:7.1f}   budget {BUDGET_MS:4d}{verdict}")


if __name__ == "__main__":
    main()
