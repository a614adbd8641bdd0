"""The target of an entry as traders read it in notices."""

from marketdata.domain.instruments import describe_contract
from watchlists.models import WatchlistEntry


def describe_entry(entry: WatchlistEntry) -> str:
    """Return "RELIANCE", "RELIANCE 24 Feb" or, of a single option, "RELIANCE 24 Feb 1,400 CE"; reads its instrument."""
    leg = entry.instrument
    if leg is None:
        return describe_contract(entry.underlying_symbol, entry.expiry)
    return describe_contract(entry.underlying_symbol, entry.expiry, leg.strike, leg.option_type)
