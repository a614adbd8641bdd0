"""The wanted set of a connection, and the connections of instruments and claims."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection
from django.db.models import Count, Q

from marketdata.domain.chain import WindowKey
from marketdata.domain.instruments import ExchangeSegment, InstrumentKey
from marketdata.domain.quotes import Mode
from subscriptions.domain.wanted import WantedInstrument
from subscriptions.models import ClaimLeg, Subscription

WantedRow = tuple[int, int, int, str, bool]
"""Instrument id, segment, security id, mode, and whether the instrument arrives."""


def list_wanted(*, connection: int) -> list[WantedInstrument]:
    """Return the wanted set of `connection`, including instruments that move away until their move ends.

    One instrument of each key: of two with one key, the listed one.
    """
    return parse_wanted(list_wanted_rows(connection=connection))


def list_wanted_rows(*, connection: int) -> list[WantedRow]:
    """Return the wanted set as rows. Equal rows are the same set, and are compared faster than it is made."""
    # An instrument that moves is wanted on both connections. Its old one goes on streaming until the move ends.
    return list(
        Subscription.objects.filter(Q(connection=connection) | Q(leaving_connection=connection))
        # Listed ones last: the broker streams a key once, and the last one of a key takes it. Two have one key only
        # between an import that gave an id to another contract and the pass after it.
        .order_by("instrument__is_listed", "instrument_id")
        .values_list("instrument_id", "instrument__exchange_segment", "instrument__security_id", "mode")
        .annotate(is_arriving=Q(connection=connection, leaving_connection__isnull=False))
    )


def parse_wanted(rows: Iterable[WantedRow]) -> list[WantedInstrument]:
    """Return the wanted set of `rows`."""
    wanted = [
        WantedInstrument(instrument_id, InstrumentKey(ExchangeSegment(segment), security_id), Mode(mode), is_arriving)
        for instrument_id, segment, security_id, mode, is_arriving in rows
    ]
    return list({one.key: one for one in wanted}.values())


def connection_of(instrument_ids: Collection[int]) -> Mapping[int, int]:
    """Return the connection of each subscribed instrument, by instrument id."""
    rows = Subscription.objects.filter(instrument_id__in=instrument_ids)
    return dict(rows.values_list("instrument_id", "connection_id"))


@dataclass(frozen=True, slots=True)
class ChainClaims:
    """Whether any claim holds the legs of a window, and when the user last viewed his own claims of its series.

    `viewed_at` is that of the claim that he has not viewed for longest; None without a claim of tier A.
    """

    is_claimed: bool
    viewed_at: datetime | None


# In SQL because each poll of a chain runs it: to build and compile the query set costs more than the statement.
_CHAIN_CLAIMS: Final = """
SELECT coalesce(bool_or(width = %s), false), min(last_viewed_at) FILTER (WHERE user_id = %s AND tier = 'A')
FROM claims WHERE exchange_segment = %s AND underlying_symbol = %s AND expiry = %s
"""


def get_chain_claims(key: WindowKey, *, user_id: int | None) -> ChainClaims:
    """Return the claims of a window and of this user on its series, in one query."""
    series = key.series
    with connection.cursor() as cursor:
        cursor.execute(_CHAIN_CLAIMS, [key.width, user_id, int(series.segment), series.underlying, series.expiry])
        return ChainClaims(*cursor.fetchone())


def is_claimed(key: WindowKey) -> bool:
    """Return whether any claim holds the legs of this window."""
    return get_chain_claims(key, user_id=None).is_claimed


def list_claim_connections(claim_ids: Collection[int]) -> Mapping[int, Mapping[int, int]]:
    """Return claim id -> connection -> number of legs."""
    rows = (
        ClaimLeg.objects.filter(claim_id__in=claim_ids)
        .values_list("claim_id", "subscription__connection_id")
        .annotate(count=Count("pk"))
        .order_by("claim_id", "subscription__connection_id")
    )
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for claim_id, number, count in rows:
        found[claim_id][number] = count
    return found
