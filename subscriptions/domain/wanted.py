"""The wanted set of a connection: the instruments that it must stream, as read from PostgreSQL."""

from dataclasses import dataclass

from marketdata.domain.instruments import InstrumentKey
from marketdata.domain.quotes import Mode


@dataclass(frozen=True, slots=True)
class WantedInstrument:
    """One instrument that a connection must stream; while it `is_arriving`, another connection streams it too."""

    instrument_id: int
    key: InstrumentKey
    mode: Mode
    is_arriving: bool = False
