"""What a committed change may alter for the viewers of quotes: services publish it, web processes read it.

A change names what it touches, not the new values: a viewer reads those again. Where it touches more than it is worth
to list, it is everything.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

import orjson

from marketdata.domain.instruments import ExchangeSegment, SeriesKey

MOST_LISTED: Final = 2_000
"""Chosen: as many instruments as one browser may watch; a change of more concerns nearly every viewer."""
_EVERYTHING: Final = {"everything": True}


@dataclass(frozen=True, slots=True)
class Changes:
    """The windows and claims of these series, and the subscriptions of these instruments; or `is_everything`."""

    series: frozenset[SeriesKey] = frozenset()
    instruments: frozenset[int] = frozenset()
    is_everything: bool = False

    def touches(self, *, series: SeriesKey | None, instruments: Collection[int]) -> bool:
        """Return whether a view of this series (None: of none) and of these instruments may have changed."""
        return self.is_everything or series in self.series or not self.instruments.isdisjoint(instruments)

    def encode(self) -> bytes:
        """Return the change as JSON; everything, if more than MOST_LISTED series or instruments have changed."""
        is_everything = self.is_everything or max(len(self.series), len(self.instruments)) > MOST_LISTED
        if is_everything:
            return orjson.dumps(_EVERYTHING)
        series = [[int(one.segment), one.underlying, one.expiry.isoformat()] for one in self.series]
        return orjson.dumps({"series": series, "instruments": list(self.instruments)})

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Return the change of an encoded one. Raises ValueError, KeyError or TypeError for another payload."""
        body = orjson.loads(payload)
        if body == _EVERYTHING:
            return cls(is_everything=True)
        series = (
            SeriesKey(ExchangeSegment(segment), underlying, date.fromisoformat(expiry))
            for segment, underlying, expiry in body["series"]
        )
        return cls(frozenset(series), frozenset(map(int, body["instruments"])))


EVERYTHING: Final = Changes(is_everything=True)
