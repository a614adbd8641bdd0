"""The quota of one trader: the number of instruments that their own tier-A claims may hold.

Checked before capacity, so a trader over quota causes no eviction. Counted are the distinct legs of the trader's
claims, even if other traders share them. Spot claims belong to no trader and are not counted.
"""

from collections.abc import Callable, Collection

from django.db import connection

from accounts import selectors as accounts
from marketdata.domain.errors import DomainError
from marketdata.services import Chain
from subscriptions.domain.quota import format_offer
from subscriptions.services.claims import offers

Fits = Callable[[frozenset[int]], bool]

_LIST_HELD = """
SELECT DISTINCT subscription.instrument_id
FROM claims AS claim JOIN claim_legs AS leg ON leg.claim_id = claim.id
JOIN subscriptions AS subscription ON subscription.id = leg.subscription_id
WHERE claim.user_id = %s AND claim.tier = 'A'
"""


class QuotaExceeded(DomainError):
    """The request exceeds the trader's quota; nothing was changed."""

    code = "quota"

    def __init__(self, item: str, *, needed: int, left: int, quota: int, offer: int | None = None) -> None:
        super().__init__(
            f"This {item} needs {needed:,}; you have {left:,} left.{format_offer(offer)}",
            needed=needed,
            left=left,
            quota=quota,
            offer_strikes=offer,
        )


def check_chain(chain: Chain, *, user_id: int | None) -> None:
    """Refuse a chain that exceeds the rest of the trader's quota, and offer a narrower one. Raises QuotaExceeded."""
    if user_id is not None:
        _check(
            "chain",
            frozenset(chain.instrument_ids),
            user_id=user_id,
            find_offer=lambda fits: offers.find_offer(chain, fits=fits),
        )


def check_instrument(instrument_id: int, *, user_id: int | None) -> None:
    """Refuse an instrument to a trader whose quota is used up. Raises QuotaExceeded."""
    if user_id is not None:
        _check("instrument", frozenset([instrument_id]), user_id=user_id, find_offer=lambda _: None)


def _check(item: str, asked: frozenset[int], *, user_id: int, find_offer: Callable[[Fits], int | None]) -> None:
    quota = accounts.get_instrument_quota(user_id=user_id)
    with connection.cursor() as cursor:
        cursor.execute(_LIST_HELD, [user_id])
        held: Collection[int] = {instrument_id for (instrument_id,) in cursor.fetchall()}
    # Instruments that the trader holds already cost nothing again.
    needed, left = len(asked.difference(held)), max(0, quota - len(held))
    if needed > left:
        offer = find_offer(lambda instruments: len(instruments.difference(held)) <= left)
        raise QuotaExceeded(item, needed=needed, left=left, quota=quota, offer=offer)
