"""The sentences about claims that traders and operators read."""

from collections.abc import Sequence
from typing import Final

from marketdata.domain.instruments import InstrumentType, SeriesKey
from subscriptions.models import Claim

# Chosen: three names keep a notice on one line of the screen.
NAMED: Final = 3


def describe_claim(claim: Claim) -> str:
    """Return how a trader is told of what a claim is about: "INFY 24 Feb", "CRUDEOIL 19 Feb FUT", "TCS"."""
    series, instrument = claim.series, claim.instrument
    if series is not None:
        return describe_series(series)
    if instrument is None:
        raise AssertionError("a claim is of a chain or of an instrument")
    if instrument.expiry is None or instrument.strike is not None:
        return instrument.token
    kind = "FUT" if InstrumentType(instrument.instrument_type).name.startswith("FUT") else ""
    return f"{instrument.underlying_symbol} {instrument.expiry:%d %b} {kind}".strip()


def describe_series(series: SeriesKey) -> str:
    """Return how a trader is told of a chain: "INFY 24 Feb"."""
    return f"{series.underlying} {series.expiry:%d %b}"


def describe_added(added: str, evicted: Sequence[str]) -> str:
    """Return the sentence of an answer: "Added RELIANCE 24 Feb, removed INFY 24 Feb (capacity limit)"."""
    return f"Added {added}{_describe_removed(evicted)}"


def describe_existing(standing: str, evicted: Sequence[str]) -> str:
    """Return the sentence of an answer to whoever asks for what is theirs already; its window may have moved."""
    return f"{standing} is streaming already{_describe_removed(evicted)}"


def _describe_removed(evicted: Sequence[str]) -> str:
    return f", removed {format_list(evicted)} (capacity limit)" if evicted else ""


def format_list(subjects: Sequence[str]) -> str:
    """Return the first few of `subjects`, each once, and how many more there are."""
    names = list(dict.fromkeys(subjects))
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
