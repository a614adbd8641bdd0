"""The broker's option chains, from the rest board."""

from collections.abc import Collection, Mapping
from datetime import datetime

from marketdata import rest_board
from marketdata.domain.broker_chains import BrokerChain, is_of_session
from marketdata.domain.instruments import SeriesKey
from marketdata.domain.sessions import IST
from marketdata.selectors.sessions import read_calendar

NO_CHAINS: Mapping[SeriesKey, BrokerChain] = {}


def list_broker_chains(
    *, series: Collection[SeriesKey], now: datetime, held: Mapping[SeriesKey, BrokerChain] = NO_CHAINS
) -> Mapping[SeriesKey, BrokerChain]:
    """Return the chains of these series that belong to the session that runs at `now`, or ended last.

    Of the chains in `held`, those that are still the newest are returned unread. Raises BoardError.
    """
    board = rest_board.connect()
    calendar = read_calendar(about=now.astimezone(IST).date())
    times = {
        one: at for one, at in board.list_chain_times(series).items() if is_of_session(one.segment, at, calendar, now)
    }
    kept = {one: held[one] for one, at in times.items() if one in held and held[one].received_at == at}
    return kept | dict(board.read_chains([one for one in times if one not in kept]))
