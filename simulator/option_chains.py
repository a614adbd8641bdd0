"""The broker's option chain of one underlying and expiry, with prices of the market.

Fields and units follow recorded chains (NIFTY, January 2025) and the additions of February 2026: strike keys with six
decimals, volatility in percent, volume and open interest in units, but yesterday's volume in lots.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from marketdata.domain.instruments import ExchangeSegment, InstrumentType
from simulator.listing import Listed, Listing
from simulator.market import Market
from simulator.packet_arrays import Rows
from simulator.pricing import greeks
from simulator.underlyings import COMMODITIES

OPTION_SEGMENTS = {
    ExchangeSegment.NSE_EQ: (ExchangeSegment.NSE_FNO,),
    ExchangeSegment.NSE_FNO: (ExchangeSegment.NSE_FNO,),
    ExchangeSegment.BSE_EQ: (ExchangeSegment.BSE_FNO,),
    ExchangeSegment.IDX_I: (ExchangeSegment.NSE_FNO, ExchangeSegment.BSE_FNO),
    ExchangeSegment.MCX_COMM: (ExchangeSegment.MCX_COMM,),
}
# In other segments the options are on stocks.
OPTION_TYPES = {ExchangeSegment.IDX_I: InstrumentType.OPTIDX, ExchangeSegment.MCX_COMM: InstrumentType.OPTFUT}

Chain = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Underlying:
    row: int
    expiries: Mapping[date, Rows]


class OptionChains:
    """All underlyings with options, by the keys that the broker accepts."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        options = _options_by_underlying(listing)
        self._underlyings: dict[tuple[ExchangeSegment, int], _Underlying] = {}
        for row, listed in enumerate(listing):
            for key in _keys_of(listed):
                found: dict[date, Rows] = {}
                for segment in OPTION_SEGMENTS.get(key[0], ()):
                    kind = OPTION_TYPES.get(key[0], InstrumentType.OPTSTK)
                    found |= options.get((segment, kind, listed.underlying), {})
                if found:
                    self._underlyings.setdefault(key, _Underlying(row, found))

    def expiries(self, segment: ExchangeSegment, security_id: int) -> list[date] | None:
        """Return the expiries of an underlying, ascending; None if it has no options."""
        underlying = self._underlyings.get((segment, security_id))
        return None if underlying is None else sorted(underlying.expiries)

    def chain(
        self, segment: ExchangeSegment, security_id: int, expiry: date, *, market: Market, now: float
    ) -> Chain | None:
        """Return the chain in the format of the broker; None if the expiry is not listed."""
        underlying = self._underlyings.get((segment, security_id))
        if underlying is None or expiry not in underlying.expiries:
            return None
        rows = underlying.expiries[expiry]
        # All rows at one instant, or strikes would disagree with their underlying.
        market.refresh_stale(np.append(rows, underlying.row), now)
        legs: dict[str, dict[str, Chain]] = {}
        for listed, leg in zip((self._listing[row] for row in rows), _legs(market, rows), strict=True):
            legs.setdefault(f"{listed.strike:.6f}", {})[str(listed.option_type).lower()] = leg
        return {
            "last_price": market.bodies["ltp"][underlying.row].item(),
            "oc": dict(sorted(legs.items(), key=lambda strike: float(strike[0]))),
        }


def _options_by_underlying(listing: Listing) -> dict[tuple[ExchangeSegment, InstrumentType, str], dict[date, Rows]]:
    rows: dict[tuple[ExchangeSegment, InstrumentType, str], dict[date, list[int]]] = {}
    for row, listed in enumerate(listing):
        if listed.type.is_option and listed.expiry is not None:
            series = rows.setdefault((listed.key.segment, listed.type, listed.underlying), {})
            series.setdefault(listed.expiry, []).append(row)
    return {
        key: {expiry: np.array(found, dtype=np.intp) for expiry, found in series.items()}
        for key, series in rows.items()
    }


def _keys_of(listed: Listed) -> list[tuple[ExchangeSegment, int]]:
    """Return every (UnderlyingSeg, UnderlyingScrip) under which the broker accepts requests for options on `listed`.

    A stock is accepted as NSE_FNO too; a commodity by its id, or by the id of a future.
    """
    segment, security_id = listed.key.segment, listed.key.security_id
    if segment is ExchangeSegment.NSE_EQ:
        return [(segment, security_id), (ExchangeSegment.NSE_FNO, security_id)]
    if listed.type is InstrumentType.FUTCOM:
        ids = [one.commodity_id for one in COMMODITIES if one.symbol == listed.underlying]
        return [(segment, one) for one in (*ids, security_id)]
    return [(segment, security_id)] if listed.expiry is None else []


def _legs(market: Market, rows: Rows) -> list[Chain]:
    volatility = market.volatility(rows)
    contracts = market.contracts
    forward, years = market.forward(rows), market.years_left(rows)
    sensitivities = greeks(forward, contracts.strike[rows], years, volatility, contracts.is_call[rows])
    return [
        {
            "average_price": rupees(body["average_price"]),
            "greeks": {
                "delta": round(float(sensitivities.delta[at]), 5),
                "theta": round(float(sensitivities.theta[at]), 5),
                "gamma": round(float(sensitivities.gamma[at]), 5),
                "vega": round(float(sensitivities.vega[at]), 5),
            },
            "implied_volatility": float(volatility[at] * 100),
            "last_price": rupees(body["ltp"]),
            "oi": int(body["oi"]),
            "previous_close_price": rupees(body["day_close"]),
            "previous_oi": int(market.previous_oi[row]),
            "previous_volume": int(market.previous_volume[row]),
            "security_id": contracts.keys[row].security_id,
            "top_ask_price": rupees(body["depth"]["ask_price"][0]),
            "top_ask_quantity": int(body["depth"]["ask_quantity"][0]),
            "top_bid_price": rupees(body["depth"]["bid_price"][0]),
            "top_bid_quantity": int(body["depth"]["bid_quantity"][0]),
            "volume": int(body["volume"]),
        }
        for at, (row, body) in enumerate(zip(rows, market.bodies[rows], strict=True))
    ]


def rupees(value: np.float32) -> float:
    """Return a price of the feed with two decimals."""
    return round(float(value), 2)
