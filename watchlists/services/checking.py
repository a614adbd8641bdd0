"""The integrity check of claims, subscriptions and entries: finds the differences, and repairs them on request."""

import logging
from collections.abc import Sequence
from datetime import datetime

from subscriptions import services as subscriptions
from watchlists.services.follow_contracts import apply_changes, review_entries

logger = logging.getLogger(__name__)


def check(*, repair: bool, actor: str, now: datetime) -> list[subscriptions.Difference]:
    """Return every difference; with `repair`, repair those that can be repaired. Raises PlacementBusy."""
    found = subscriptions.check(repair=repair, actor=actor, now=now)
    with subscriptions.placement(now=now):
        changes = review_entries()
        if repair:
            apply_changes(changes, actor=actor, now=now)
    entries = [
        subscriptions.Difference(
            f"entry {one.entry.pk} refers to {one.former}, "
            + (f"which is {one.present} now" if one.present else "which is not listed"),
            repair,
        )
        for one in changes
    ]
    return [*found, *entries]


def note_left(left: Sequence[subscriptions.Difference]) -> None:
    """Log the differences that neither a repair nor the owners have removed: a person must find their cause."""
    if left:
        logger.error("%d differences of claims and subscriptions are not repaired, the first: %s", len(left), left[0])
