"""Requests of the broker's option chains: of the series that stream, and of one that a trader opens.

A chain gives what the feed does not: the open interest at the previous close, from which changes count where our own
record has none, and prices and open interest of the strikes that do not stream.

Theory of operation. The broker allows five data requests a second for the account, and one for the same chain in three
seconds (docs/dhan.md). A run sends at most MOST_A_RUN, those whose chain is missing first, then the oldest; a turn on
the rest board keeps two runs apart. In a session a chain is requested again after three minutes, and once after the
close (`domain.broker_chains`). A series whose chain the broker refuses, or that cannot be read, waits, longer each
time, so that it does not hold back the others. While the broker is unavailable nobody requests chains for PAUSE_MS.

A trader who opens a chain of which options do not stream gets the broker's prices of the last FRESH seconds. One caller
requests them for all who open that chain; the others, and those beyond MOST_A_SECOND, get the ones before.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from marketdata import dhan_api, rest_board, selectors
from marketdata.dhan.chain_answers import ChainOption
from marketdata.dhan.credentials import Credentials
from marketdata.dhan_api import DhanError
from marketdata.domain.backoff import wait_after
from marketdata.domain.broker_chains import CHAIN_ROW, BrokerChain, Rows, is_due
from marketdata.domain.instruments import OptionType, SeriesKey
from marketdata.domain.sessions import IST
from marketdata.rest_board import PriceWait, RestBoard
from marketdata.selectors import SeriesListing
from marketdata.services.price_requests import is_about_request, read_credentials_for, release_database

logger = logging.getLogger(__name__)

# docs/dhan.md: five data requests a second. Chosen: three in each run of five seconds, which leaves two a second for
# candles and a chain that a trader opens. 51,840 a day, half of the account's allowance, if all runs were full.
MOST_A_RUN: Final = 3
FRESH: Final = timedelta(seconds=15)  # Chosen: prices that do not stream are looked at, not traded on.
SAME_CHAIN_MS: Final = 3_000  # docs/dhan.md: one request for the same chain in three seconds.
MOST_A_SECOND: Final = 2  # Chosen: with three of a run at the same moment the account's five.
TURN_MS: Final = 4_500  # Chosen: a little less than the time between two runs.
# Chosen: a request to a broker that does not answer takes six seconds; a run spends a fifth of its time on it.
PAUSE_MS: Final = 30_000
# After an answer that cannot be read, or a refusal; the wait doubles. Chosen: the time between two requests of a chain.
FIRST_WAIT: Final = timedelta(minutes=3)
LONGEST_WAIT: Final = timedelta(hours=3)  # Chosen: a chain that comes back at noon is read on the same day.


def request_chains(*, series: Collection[SeriesKey], now: datetime) -> int:
    """Request the chains of those of `series` whose turn it is, and store them; return their number. Raises BoardError.

    Blocks for at most MOST_A_RUN requests.
    """
    board = rest_board.connect()
    due = _list_due(board, series, now)
    if not due or board.are_chains_paused() or not board.take_chain_turn(TURN_MS):
        return 0
    credentials = read_credentials_for("option chains")
    if credentials is None:
        return 0
    listings = selectors.list_series(keys=due)
    stored = 0
    for key in due:
        listing = listings.get(key)
        if listing is None:  # It has expired, or its underlying is not listed.
            _note_failure(board, key, now)
        elif _request(board, listing, credentials, now) is not None:
            stored += 1
        elif board.are_chains_paused():
            break
    return stored


def current_chain(*, listing: SeriesListing, now: datetime) -> BrokerChain | None:
    """Return the broker's chain of this session for a trader who waits; None where there is none. Raises BoardError.

    Requests it if the one that is kept is older than FRESH, or than the last close. Blocks for one request at most.
    """
    board, series = rest_board.connect(), listing.series
    calendar = selectors.read_calendar(about=now.astimezone(IST).date())
    held = selectors.list_broker_chains(series=[series], now=now, calendar=calendar).get(series)
    if held is not None and not is_due(series.segment, held.received_at, calendar, now, after=FRESH):
        return held
    wait = board.list_chain_waits([series]).get(series)
    if wait is not None and wait.due_at > now:
        return held
    if not board.take_chain_request(series, milliseconds=SAME_CHAIN_MS, most_a_second=MOST_A_SECOND, at=now):
        return held
    credentials = read_credentials_for("option chains")
    return (_request(board, listing, credentials, now) if credentials is not None else None) or held


def _request(board: RestBoard, listing: SeriesListing, credentials: Credentials, now: datetime) -> BrokerChain | None:
    """Request and store the chain of one series; None, noted, if it is not to be had."""
    series = listing.series
    spot = selectors.get_instrument_by_id(instrument_id=listing.spot_instrument_id)
    release_database()
    try:
        options = dhan_api.fetch_chain(spot.key, series.expiry, credentials=credentials)
    except DhanError as error:
        logger.warning("option chain of %s not available: %s", series, error)
        if is_about_request(error):
            _note_failure(board, series, now)
        else:
            board.pause_chains(PAUSE_MS)
        return None
    # The time before the request: nothing in the answer reads as newer than it is.
    chain = BrokerChain(now, _rows(listing, options))
    board.write_chain(series, chain)
    return chain


def _list_due(board: RestBoard, series: Collection[SeriesKey], now: datetime) -> Sequence[SeriesKey]:
    """Return the series of the next requests: without a chain first, then by its age."""
    calendar = selectors.read_calendar(about=now.astimezone(IST).date())
    times, waits = board.list_chain_times(series), board.list_chain_waits(series)
    due = [
        one
        for one in series
        if is_due(one.segment, times.get(one), calendar, now) and (one not in waits or waits[one].due_at <= now)
    ]
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(due, key=lambda one: times.get(one, never))[:MOST_A_RUN]


def _note_failure(board: RestBoard, series: SeriesKey, now: datetime) -> None:
    before = board.list_chain_waits([series]).get(series)
    failures = 1 if before is None else before.failures + 1
    due_at = now + wait_after(failures, first=FIRST_WAIT, longest=LONGEST_WAIT)
    board.note_chain_waits({series: PriceWait(failures, due_at)})


def _rows(listing: SeriesListing, options: Mapping[tuple[Decimal, OptionType], ChainOption]) -> Rows:
    """Return the rows of the options that we list; the broker may list others."""
    found = [(leg.instrument_id, options.get((leg.strike, leg.option_type))) for leg in listing.legs]
    rows = [
        (instrument_id, *(np.nan if value is None else value for value in _values(option)))
        for instrument_id, option in found
        if option is not None
    ]
    return np.array(rows, dtype=CHAIN_ROW)


def _values(option: ChainOption) -> tuple[float | None, ...]:
    """Return the fields in the order of CHAIN_ROW."""
    return (
        option.ltp,
        option.previous_close,
        option.bid,
        option.ask,
        option.oi,
        option.previous_oi,
        option.volume,
    )
