"""Notices to the traders whose contracts an import changed, and the release of claims for which there is no room."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from marketdata import notices
from marketdata.domain.instruments import SeriesKey
from subscriptions.domain.claims import Cause, ClaimKind, LogReason
from subscriptions.models import Claim
from subscriptions.services.claims import eviction, wording
from subscriptions.services.claims.eviction import AddedItem
from subscriptions.services.claims.release import release
from subscriptions.services.passes.contract_review import Review
from subscriptions.services.placement.legs import CapacityExceeded

logger = logging.getLogger(__name__)

FOLLOWED_NOTICE: Final = "followed"
NOT_LISTED_NOTICE: Final = "not_listed"
CHANGED_CONTRACTS: Final = AddedItem("contracts that the exchange changed")


def notify_on_commit(review: Review) -> None:
    """Notify the traders of explicit chain subscriptions; entries of watchlists have their own message."""
    noticed: dict[tuple[int, str], list[str]] = defaultdict(list)
    for one in (*review.followed, *review.released):
        if one.claim.kind != ClaimKind.CHAIN or one.claim.user_id is None:
            continue
        former = wording.describe_claim(one.claim)
        if isinstance(one.present, SeriesKey):
            text = f"{former} is {wording.describe_series(one.present)} now"
            noticed[one.claim.user_id, FOLLOWED_NOTICE].append(text)
        else:
            noticed[one.claim.user_id, NOT_LISTED_NOTICE].append(former)
    for (user_id, kind), names in noticed.items():
        what = wording.format_list(names)
        text = f"{what}." if kind == FOLLOWED_NOTICE else f"No longer listed, streaming stopped: {what}."
        notices.send_on_commit([user_id], notices.notice(kind, text))


def give_up(claims: Sequence[Claim], refusal: CapacityExceeded, *, actor: str, now: datetime) -> None:
    """Release claims whose changed contracts do not fit, and notify their traders; their entries stay, evicted."""
    logger.warning("%d claims released, no room for their changed contracts: %s", len(claims), refusal)
    release(claims, cause=Cause(LogReason.CAPACITY, actor, now))
    names: dict[int, list[str]] = defaultdict(list)
    for claim in claims:
        if claim.user_id is not None:
            names[claim.user_id].append(wording.describe_claim(claim))
    for user_id, lost in names.items():
        text = f"Streaming stopped, no room for the changed contracts: {wording.format_list(lost)}."
        notices.send_on_commit([user_id], notices.notice(eviction.EVICTED_NOTICE, text), notices.WATCHLIST_CHANGED)
