"""Sets Django up, and gives a benchmark its test database and the claims that fill it. Imported before any model."""

# ruff: noqa: E402  Models can be imported only after django.setup().

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "terminal.settings")
django.setup()

from django.db import connection

from subscriptions.domain.claims import Cause, ClaimKind, LogAction, Tier
from subscriptions.models import Claim
from subscriptions.services.placement import audit, legs
from subscriptions.services.placement.lock import placement
from tests.factories import NOW

FULL = 25_000  # five connections of 5,000 (dhan/requests.py)
CAUSE = Cause("BENCHMARK", "bench", NOW)
MASTER = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "api-scrip-master-2026-02-10.csv.gz"


@contextmanager
def own_database() -> Iterator[None]:
    """Create a test database for the block, and drop it."""
    own = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(own, verbosity=0)


def analyze() -> None:
    """Collect statistics of the new rows: without them the planner chooses other plans than in production."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def new_claim(number: int, tier: Tier = Tier.A) -> Claim:
    """Return the unsaved claim of a chain, distinct by `number`."""
    return Claim(
        kind=ClaimKind.WATCHLIST,
        tier=tier,
        exchange_segment=2,
        underlying_symbol=f"BENCH{number}",
        expiry=NOW.date(),
        width=25,
        last_viewed_at=NOW,
        claimed_at=NOW,
    )


def in_groups(ids: Sequence[int], size: int) -> list[Sequence[int]]:
    """Return `ids` in groups of `size`; the last one may be shorter."""
    return [ids[first : first + size] for first in range(0, len(ids), size)]


def hold(claims: Sequence[Claim], groups: Sequence[Sequence[int]]) -> None:
    """Save `claims`, all of one tier, with the instruments of `groups` as their legs, as the product does."""
    with placement(now=NOW):
        made = Claim.objects.bulk_create(claims)
        wanted = {claim.pk: group for claim, group in zip(made, groups, strict=True)}
        gained = legs.add(wanted, tiers={claim.pk: Tier(claim.tier) for claim in made})
        audit.record(made, action=LogAction.SUBSCRIBE, cause=CAUSE, gained=gained)
