"""Lists of admin and API with 25,000 subscriptions and a million rows in the audit log.

    .venv/bin/python -m devstack exec -- .venv/bin/python -m benchmarks.bench_admin

Measures complete responses through Django's test client, authentication and template included. Creates a test database
and drops it. Medians in milliseconds.
"""

# ruff: noqa: E402  Models can be imported only after django.setup().

import os
import statistics
import time
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")
django.setup()

from django.db import connection
from django.test import Client
from django.test.utils import setup_test_environment

from accounts.models import User
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.models import Claim
from subscriptions.services.placement import legs
from subscriptions.services.placement.lock import placement
from tests.factories import NOW, make_equities

FULL = 25_000  # five connections of 5,000 (dhan/requests.py)
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
    groups = [shares[first : first + LEGS] for first in range(0, FULL, LEGS)]
    groups += groups[:100]
    made = Claim.objects.bulk_create(
        [
            Claim(
                kind=ClaimKind.WATCHLIST,
                tier=Tier.A,
                user=traders[number % TRADERS],
                exchange_segment=2,
                underlying_symbol=f"BENCH{number}",
                expiry=NOW.date(),
                width=25,
                last_viewed_at=NOW,
                claimed_at=NOW,
            )
            for number in range(len(groups))
        ]
    )
    with placement(now=NOW):
        wanted = {claim.pk: group for claim, group in zip(made, groups, strict=True)}
        legs.add(wanted, tiers=dict.fromkeys(wanted, Tier.A), now=NOW)
    with connection.cursor() as cursor:
        for month in range(2):
            cursor.execute("SELECT subscription_log_make_month(%s)", [NOW + timedelta(days=28 * month)])
        cursor.execute(_WRITE_LOG, [NOW, LOG_ROWS])
        # Statistics of the new rows, for the plans of production.
        cursor.execute("ANALYZE")


def milliseconds(client: Client, address: str) -> float:
    """Return the median time of a response with status 200."""
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        answer = client.get(address)
        taken.append((time.perf_counter() - started) * 1_000)
        assert answer.status_code == 200, f"{address}: {answer.status_code}"
    return statistics.median(taken)


def main() -> None:
    setup_test_environment()
    own = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        fill()
        client = Client()
        client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
        for name, address in PAGES.items():
            taken = milliseconds(client, address)
            verdict = "" if taken <= BUDGET_MS else "   over budget"
            print(f"{name:<34} {taken:7.1f}   budget {BUDGET_MS:4d}{verdict}")
    finally:
        connection.creation.destroy_test_db(own, verbosity=0)


if __name__ == "__main__":
    main()
