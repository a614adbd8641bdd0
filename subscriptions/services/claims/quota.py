"""The quota of one trader: how many instruments their own claims may have live, before anybody is evicted for them.

Counted are the unique legs of the trader's claims of tier A, whoever shares them; spots are shared and not counted.
"""

from collections.abc import Callable, Collection

from django.db import connection

from accounts import selectors as accounts
from marketdata.domain.errors import DomainError
from subscriptions.domain.quota import format_offer
from subscriptions.services.claims import offers
from subscriptions.services.claims.windows import OpenedChain, PlacedWindow

Fits = Callable[[frozenset[int]], bool]

_LIST_HELD = """
SELECT DISTINCT subscription.instrument_id
FROM claims AS claim JOIN claim_legs AS leg ON leg.claim_id = claim.id
JOIN subscriptions AS subscription ON subscription.id = leg.subscription_id
WHERE claim.user_id = %s AND claim.tier = 'A'
"""


class QuotaExceeded(DomainError):
    """More than one trader may have; nobody was evicted for it and nothing was changed."""

    status = 409
    code = "quota"

    def __init__(self, thing: str, *, needed: int, left: int, quota: int, offer: int | None = None) -> None:
        super().__init__(
            f"This {thing} needs {needed:,}; you have {left:,} left.{format_offer(offer)}",
            needed=needed,
            left=left,
            quota=quota,
            offer_strikes=offer,
        )


def check_chain(opened: OpenedChain, window: PlacedWindow, *, user_id: int | None) -> None:
    """Refuse a chain that is more than its trader has left, and offer a narrower one. Raises QuotaExceeded."""
    if user_id is not None:
        _check(
            "chain",
            frozenset(window.instrument_ids),
            user_id=user_id,
            find_offer=lambda fits: offers.find_offer(opened, window, fits=fits),
        )


def check_instrument(instrument_id: int, *, user_id: int | None) -> None:
    """Refuse an instrument to a trader who has nothing left. Raises QuotaExceeded."""
    if user_id is not None:
        _check("instrument", frozenset([instrument_id]), user_id=user_id, find_offer=lambda _: None)


def _check(thing: str, asked: frozenset[int], *, user_id: int, find_offer: Callable[[Fits], int | None]) -> None:
    quota = accounts.get_instrument_quota(user_id=user_id)
    with connection.cursor() as cursor:
        cursor.execute(_LIST_HELD, [user_id])
        held: Collection[int] = {instrument_id for (instrument_id,) in cursor.fetchall()}
    needed, left = len(asked.difference(held)), max(0, quota - len(held))
    if needed > left:
        offer = find_offer(lambda instruments: len(instruments.difference(held)) <= left)
        raise QuotaExceeded(thing, needed=needed, left=left, quota=quota, offer=offer)
