"""Sentences about claims in notices and answers, as traders read them."""

from collections.abc import Mapping, Sequence
from typing import Final

from marketdata.domain.instruments import EXCHANGE_OF, ExchangeSegment, InstrumentType, SeriesKey
from subscriptions.models import Claim

# Chosen: three names keep a notice on one line of the screen.
NAMED: Final = 3


def describe_claim(claim: Claim) -> str:
    """Return the subject of a claim: "INFY 24 Feb", "CRUDEOIL 19 Feb FUT", "TCS"."""
    series, instrument = claim.series, claim.instrument
    if series is not None:
        return describe_series(series)
    if instrument is None:
        raise AssertionError("a claim has a chain or an instrument")
    if instrument.expiry is None or instrument.strike is not None:
        return instrument.token
    kind = "FUT" if InstrumentType(instrument.instrument_type).name.startswith("FUT") else ""
    return f"{instrument.underlying_symbol} {instrument.expiry:%-d %b} {kind}".strip()


def identify_claim(claim: Claim) -> Mapping[str, str | None]:
    """Return symbol, exchange and ISO expiry of a claim, by which a page finds the entry of its trader."""
    series, instrument = claim.series, claim.instrument
    if series is not None:
        exchange = EXCHANGE_OF[series.segment]
        return {"symbol": series.underlying, "exchange": exchange, "expiry": series.expiry.isoformat()}
    if instrument is None:
        raise AssertionError("a claim has a chain or an instrument")
    expiry = instrument.expiry.isoformat() if instrument.expiry is not None else None
    segment = ExchangeSegment(instrument.exchange_segment)
    return {"symbol": instrument.underlying_symbol, "exchange": EXCHANGE_OF.get(segment), "expiry": expiry}


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
