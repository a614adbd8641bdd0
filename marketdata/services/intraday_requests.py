"""Requests of the broker's minute candles of the present day, for the charts of traders.

Theory of operation. The broker allows five data requests a second for the account (docs/dhan.md); candles share two of
them with the chains that traders open (`chain_requests`). An answer on the rest board serves all processes: for
FRESH, and after the close until the next session. One caller requests what is missing; the others wait for its answer,
without a database connection, for WAIT_SECONDS at most. An earlier answer of the same day is used at once instead: the
page continues it with the live price. That the broker gave no answer is kept too, so that it is not asked again by
each who waits.
"""

import logging
import random
import time
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from marketdata import dhan_api, rest_board, selectors
from marketdata.dhan_api import DhanError, RequestRefused
from marketdata.domain.errors import DomainError
from marketdata.domain.instruments import InstrumentType
from marketdata.domain.intraday import CANDLE, IntradayCandles
from marketdata.domain.sessions import IST
from marketdata.models import Instrument
from marketdata.rest_board import RestBoard
from marketdata.services.chain_requests import MOST_A_SECOND, PAUSE_MS
from marketdata.services.price_requests import is_about_request, read_credentials_for, release_database

logger = logging.getLogger(__name__)

FRESH: Final = timedelta(seconds=60)  # Chosen: a candle is a minute long at least, and the page continues the last one.
NO_ANSWER: Final = timedelta(seconds=30)  # Chosen: as PAUSE_MS.
# Chosen: above the 6 s of a request (`dhan_api.QUOTE_SECONDS`): who died with it holds the others up no longer.
REQUEST_MS: Final = 8_000
WAIT_SECONDS: Final = 2.5  # Chosen: as long as a trader waits for a chain; threads of the process are few.
PAUSE_SECONDS: Final = 0.05  # Chosen: as in `price_requests`.


class CandlesUnavailable(DomainError):
    """The broker's candles are not to be had now."""

    code = "no_candles"


def current_candles(*, instrument: Instrument, interval: int, now: datetime) -> IntradayCandles:
    """Return the broker's candles of `interval` minutes of the session that runs at `now`, or ended last.

    They are empty where the broker has none. May block for WAIT_SECONDS, or for one request. Raises CandlesUnavailable,
    BoardError.
    """
    board, began_at = rest_board.connect(), time.monotonic()
    segment, today = instrument.key.segment, now.astimezone(IST).date()
    calendar = selectors.read_calendar(about=today)
    first, closed_since = calendar.session_day(segment, now) or today, calendar.closed_since(segment, now)
    while True:
        held = _read(board, instrument, interval, first)
        if held is not None and _holds(held, closed_since, now):
            return _known(held)
        waited = time.monotonic() - began_at
        at = now + timedelta(seconds=waited)
        if board.take_intraday_request(
            instrument.pk, interval, milliseconds=REQUEST_MS, most_a_second=MOST_A_SECOND, at=at
        ):
            try:
                # Again: the request of another caller may have ended since the reading above.
                held = _read(board, instrument, interval, first)
                if held is None or not _holds(held, closed_since, now):
                    held = _request(board, instrument, interval, first=first, now=now)
                return _known(held)
            finally:
                board.end_intraday_request(instrument.pk, interval)
        if held is not None and held.candles is not None:
            return held
        if board.are_chains_paused() or waited > WAIT_SECONDS:
            raise CandlesUnavailable("The broker's candles are not available now. Try again in half a minute.")
        release_database()
        time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  jitter is no secret


def _read(board: RestBoard, instrument: Instrument, interval: int, session_day: date) -> IntradayCandles | None:
    """Return the broker's answer about this session that the board has."""
    held = board.read_intraday(instrument.pk, interval)
    return held if held is not None and held.day == session_day else None


def _request(board: RestBoard, instrument: Instrument, interval: int, *, first: date, now: datetime) -> IntradayCandles:
    """Request and store the answer about one instrument; one without candles stands for a request in vain."""
    credentials = read_credentials_for("candles")
    if credentials is None:
        return IntradayCandles(now, first, None)
    release_database()
    try:
        # Until today: a price of a day that the calendar takes for closed belongs to the chart, too.
        candles = dhan_api.fetch_intraday(
            instrument.key,
            InstrumentType(instrument.instrument_type),
            first=first,
            last=now.astimezone(IST).date(),
            interval=interval,
            credentials=credentials,
        )
    except DhanError as error:
        logger.warning("candles of %s not available: %s", instrument.key, error)
        if not is_about_request(error):
            board.pause_chains(PAUSE_MS)
        # Before the first trade of a day the broker refuses: there are none.
        answer = IntradayCandles(now, first, np.zeros(0, CANDLE) if isinstance(error, RequestRefused) else None)
    else:
        answer = IntradayCandles(now, first, candles)
    board.write_intraday(instrument.pk, interval, answer)
    return answer


def _holds(held: IntradayCandles, closed_since: datetime | None, now: datetime) -> bool:
    """Return whether an answer needs no new request; `closed_since` is the close of its session, None before it."""
    if now - held.received_at < (NO_ANSWER if held.candles is None else FRESH):
        return True
    # The last candle of a session may come a minute late.
    return bool(held.candles is not None and closed_since and held.received_at >= closed_since + 2 * FRESH)


def _known(answer: IntradayCandles) -> IntradayCandles:
    if answer.candles is None:
        raise CandlesUnavailable("The broker gave no candles. Try again in half a minute.")
    return answer
