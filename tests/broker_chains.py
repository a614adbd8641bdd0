"""The broker's answers about option chains."""

from collections.abc import Mapping
from typing import Any

from marketdata.domain.instruments import SeriesKey
from marketdata.models import Instrument


def chain_of(key: SeriesKey, **option: object) -> Mapping[str, Any]:
    """Return the broker's answer: every listed option of the series with these members."""
    strikes: dict[str, dict[str, object]] = {}
    for one in Instrument.objects.filter(
        exchange_segment=int(key.segment), underlying_symbol=key.underlying, expiry=key.expiry, strike__isnull=False
    ):
        strikes.setdefault(f"{one.strike:.6f}", {})[one.option_type.lower()] = {"last_price": 20.5, **option}
    return {"data": {"last_price": 100.0, "oc": strikes}, "status": "success"}
