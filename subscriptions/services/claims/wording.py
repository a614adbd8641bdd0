"""Sentences about claims in notices and answers, as traders read them."""

from collections.abc import Sequence
from typing import Final

from marketdata import notices
from marketdata.domain.instruments import EXCHANGE_OF, Exchange, InstrumentType, SeriesKey, describe_contract
from subscriptions.models import Claim

# Chosen: three names keep a notice on one line of the screen.
NAMED: Final = 3


def describe_claim(claim: Claim) -> str:
    """Return the subject of a claim: "INFY 24 Feb", "CRUDEOIL 19 Feb FUT", "NIFTY 1 Dec 26,000 CE", "TCS"."""
    series, instrument = claim.series, claim.instrument
    if series is not None:
        return describe_series(series)
    if instrument is None:
        raise AssertionError("a claim has a chain or an instrument")
    if instrument.expiry is None:
        return instrument.token
    words = describe_contract(
        instrument.underlying_symbol, instrument.expiry, instrument.strike, instrument.option_type
    )
    return f"{words} FUT" if InstrumentType(instrument.instrument_type).is_future else words


def identify_claim(claim: Claim) -> notices.Target:
    """Return what a page finds the entry of its trader by. Only the instrument tells the options of a series apart."""
    series, instrument = claim.series, claim.instrument
    if series is not None:
        exchange = EXCHANGE_OF[series.segment]
        expiry = series.expiry.isoformat()
        return {"symbol": series.underlying, "exchange": exchange, "expiry": expiry, "instrument_id": None}
    if instrument is None:
        raise AssertionError("a claim has a chain or an instrument")
    return {
        "symbol": instrument.underlying_symbol,
        # Not that of the segment: all indices have one.
        "exchange": Exchange(instrument.exchange),
        "expiry": instrument.expiry.isoformat() if instrument.expiry is not None else None,
        "instrument_id": instrument.pk,
    }


def describe_series(series: SeriesKey) -> str:
    """Return the subject of a chain: "INFY 24 Feb"."""
    return f"{series.underlying} {series.expiry:%-d %b}"


def describe_added(added: str, evicted: Sequence[str]) -> str:
    """Return "Added RELIANCE 24 Feb, removed INFY 24 Feb (capacity limit)"."""
    return f"Added {added}{_describe_removed(evicted)}"


def describe_existing(subject: str, evicted: Sequence[str]) -> str:
    """Return the sentence for a claim that exists already; moving its window may have evicted other chains."""
    return f"{subject} is streaming already{_describe_removed(evicted)}"


def _describe_removed(evicted: Sequence[str]) -> str:
    return f", removed {format_list(evicted)} (capacity limit)" if evicted else ""


def format_list(subjects: Sequence[str]) -> str:
    """Return the first NAMED of `subjects`, each once, and the number of the others."""
    names = list(dict.fromkeys(subjects))
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
