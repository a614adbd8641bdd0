"""Snapshot prices of spots from the broker: one request at a time for the whole account, for all who wait.

Theory of operation. The broker allows the account one market-data request a second, for at most a thousand instruments
(docs/dhan.md). All processes share a turn on the rest board, which lasts for DHAN_QUOTE_INTERVAL_MS:

1. A trader whose chain needs a price records the spot as wanted, and waits for an answer about it or for the turn.
2. Whoever gets the turn requests the wanted spots of all, and fills the request with the other listed spots. So the
   next traders find the answer on the board and wait for nobody.
3. A trader waits for two turns at most, and not at all while the broker is unavailable; then another source of the
   price is used.

A request that fails as a whole is split (`domain.price_requests`): until the waits of its spots end, each trader's
spot is requested alone. Periodic passes use the same turn, and request a price that the broker does not give later and
later.
"""

import logging
import random
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import connection

from marketdata import dhan_api, rest_board, selectors
from marketdata.dhan.credentials import Credentials
from marketdata.dhan.sealing import SealError
from marketdata.dhan_api import DhanUnreachable, RateLimited, RequestRefused
from marketdata.domain.price_requests import choose_batch, wait_after
from marketdata.rest_board import PriceWait, RestBoard, SpotAnswer, Turn
from marketdata.selectors import Price, PriceSource

logger = logging.getLogger(__name__)

# Chosen: a fifth of the age at which a stored window is calculated again. Recentring corrects a window that was
# calculated from such a price, as soon as its spot streams.
ANSWER_SECONDS: Final = 60
NO_PRICE_SECONDS: Final = 10  # Chosen: the first wait of periodic passes; the broker may know the price by then.
# Chosen: beside the turns, for the answer to a request.
ANSWER_MARGIN_SECONDS: Final = 0.5
PAUSE_SECONDS: Final = 0.05  # Chosen: short against a turn; twenty commands a second to Redis for each who waits.


def request_spot(*, instrument_id: int, now: datetime) -> Price | None:
    """Return the broker's snapshot price of a spot, at most ANSWER_SECONDS old; None if it is not to be had now.

    May block for the time of two turns and a request. Raises BoardError.
    """
    board, ends_at = rest_board.connect(), _ends_at()
    is_wanted = False
    while True:
        answer = board.read_answer(instrument_id)
        if answer is not None and _holds(answer, now):
            return None if answer.ltp is None else Price(answer.ltp, PriceSource.SNAPSHOT, answer.at)
        if time.monotonic() > ends_at:
            return None
        turn = board.take_turn(settings.DHAN_QUOTE_INTERVAL_MS)
        if turn is Turn.TAKEN:
            if _request(board, _choose_spots(board, instrument_id, now), now) is None:
                return None
        elif turn is Turn.FAILED:
            return None
        else:
            if not is_wanted:
                board.note_wanted(instrument_id, at=now)
                is_wanted = True
            _pause()


def request_spots(*, instrument_ids: Collection[int], now: datetime) -> Mapping[int, Decimal]:
    """Return the broker's snapshot prices of these spots, in one request; empty while the broker is unavailable.

    Waits for its turn as `request_spot` does. Raises BoardError.
    """
    return (_request_in_turn(instrument_ids, now) if instrument_ids else None) or {}


def request_ltps(*, instrument_ids: Collection[int], now: datetime) -> Mapping[int, Decimal]:
    """Return the broker's snapshot prices of those instruments that may be requested now, in at most one request.

    Raises BoardError.
    """
    board = rest_board.connect()
    batch = _choose_due(board, instrument_ids, now)
    if not batch:
        return {}
    found = _request_in_turn(batch, now)
    if found is None:
        _note_failed(board, batch, now)
    return found or {}


def _request_in_turn(instrument_ids: Collection[int], now: datetime) -> Mapping[int, Decimal] | None:
    board, ends_at = rest_board.connect(), _ends_at()
    while (turn := board.take_turn(settings.DHAN_QUOTE_INTERVAL_MS)) is Turn.BUSY and time.monotonic() < ends_at:
        _pause()
    return _request(board, list(instrument_ids), now) if turn is Turn.TAKEN else None


def _ends_at() -> float:
    return time.monotonic() + 2 * settings.DHAN_QUOTE_INTERVAL_MS / 1_000 + ANSWER_MARGIN_SECONDS


def _pause() -> None:
    release_database()
    time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  jitter is no secret


def read_credentials_for(what: str) -> Credentials | None:
    """Return the account's credentials for a periodic request; None, logged, where there are none to use."""
    try:
        return selectors.read_credentials()
    except SealError as error:
        logger.warning("%s not requested: %s", what, error)
        return None


def release_database() -> None:
    """Return the database connection of this thread to the pool before a wait for the broker."""
    # Who waits for the broker must not occupy one of the few connections of the process (DATABASE_CONNECTIONS).
    if not connection.in_atomic_block:
        connection.close()


def _holds(answer: SpotAnswer, now: datetime) -> bool:
    return now - answer.at <= timedelta(seconds=NO_PRICE_SECONDS if answer.ltp is None else ANSWER_SECONDS)


def _choose_spots(board: RestBoard, instrument_id: int, now: datetime) -> Sequence[int]:
    """Return the spots of the next request: this one, those that others wait for, and the other listed ones."""
    waiting = board.list_wanted(since=now - timedelta(seconds=NO_PRICE_SECONDS))
    batch = _choose_due(board, dict.fromkeys([instrument_id, *waiting, *selectors.list_spots()]), now)
    return batch if instrument_id in batch else [instrument_id]


def _choose_due(board: RestBoard, instrument_ids: Collection[int], now: datetime) -> Sequence[int]:
    waits = board.list_price_waits(instrument_ids)
    due = [one for one in instrument_ids if one not in waits or waits[one].due_at <= now]
    batch = choose_batch(due, {one: wait.failures for one, wait in waits.items()})
    return batch[: dhan_api.MAX_KEYS_PER_REQUEST]


def _request(board: RestBoard, batch: Sequence[int], now: datetime) -> Mapping[int, Decimal] | None:
    """Send one request in a turn and record what came of it; None if the broker is unavailable."""
    try:
        found = _fetch(batch)
    except RateLimited as error:  # Another program uses the account: the next turn may succeed.
        logger.warning("snapshot prices of %d spots not available: %s", len(batch), error)
        return {}
    except (dhan_api.DhanError, SealError) as error:
        logger.warning("snapshot prices of %d spots not available: %s", len(batch), error)
        if not is_about_request(error):
            board.note_failed_turn(settings.DHAN_QUOTE_INTERVAL_MS)
            return None
        _note_failed(board, batch, now)
        if len(batch) == 1:
            board.write_answers(dict.fromkeys(batch), at=now)
        return {}
    if found is None:
        board.note_failed_turn(settings.DHAN_QUOTE_INTERVAL_MS)
        return None
    _note_failed(board, [one for one in batch if one not in found], now, ended=list(found))
    board.write_answers({one: found.get(one) for one in batch}, at=now)
    return found


def _fetch(batch: Sequence[int]) -> Mapping[int, Decimal] | None:
    """Return the prices that the broker gives; None without credentials. Raises DhanError, SealError."""
    id_of = {instrument.key: one for one, instrument in selectors.list_instruments(instrument_ids=batch).items()}
    credentials = selectors.read_credentials()
    if credentials is None:
        return None
    release_database()
    found = dhan_api.fetch_ltp(list(id_of), credentials=credentials)
    return {id_of[key]: ltp for key, ltp in found.items() if key in id_of}


def is_about_request(error: Exception) -> bool:
    """Return whether the broker may answer otherwise about other instruments: the fault is not of the account."""
    return isinstance(error, RequestRefused) or (isinstance(error, DhanUnreachable) and error.is_answered)


def _note_failed(board: RestBoard, failed: Collection[int], now: datetime, *, ended: Collection[int] = ()) -> None:
    waits = board.list_price_waits(failed)
    failures = {one: waits[one].failures + 1 if one in waits else 1 for one in failed}
    board.replace_price_waits(
        {one: PriceWait(count, now + wait_after(count)) for one, count in failures.items()}, ended=ended
    )
