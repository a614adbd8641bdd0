"""Snapshot prices for periodic passes: a price that the broker does not give is requested again later and later."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal

from marketdata import rest_board, selectors
from marketdata.domain.price_requests import choose_batch, wait_after
from marketdata.rest_board import PriceWait


def request_ltps(*, instrument_ids: Collection[int], now: datetime) -> Mapping[int, Decimal]:
    """Return the broker's snapshot prices of those instruments that may be requested now, in at most one request.

    Raises BoardError.
    """
    board = rest_board.connect()
    waits = board.list_price_waits(instrument_ids)
    due = [one for one in instrument_ids if one not in waits or waits[one].due_at <= now]
    batch = choose_batch(due, {one: wait.failures for one, wait in waits.items()})
    if not batch:
        return {}
    found = selectors.list_broker_ltps(instrument_ids=batch)
    failures = {one: waits[one].failures + 1 if one in waits else 1 for one in batch if one not in found}
    board.replace_price_waits(
        {one: PriceWait(count, now + wait_after(count)) for one, count in failures.items()}, ended=list(found)
    )
    return found
