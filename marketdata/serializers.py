"""JSON of the market endpoints: query parameters, chains, expiries and search hits.

Responses are plain dictionaries: nested serializers for a chain of 202 legs cost eleven times as much. Dates are in
ISO form with a display form beside; money is a number in rupees; an unknown value is null.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from math import isnan
from typing import Any, Final

from rest_framework import serializers

from marketdata.domain.expiries import parse_expiry
from marketdata.domain.instruments import EXCHANGE_OF, Exchange, OptionType, format_expiry
from marketdata.domain.intraday import INTERVALS, IntradayCandles
from marketdata.domain.moneyness import moneyness_of
from marketdata.domain.quote_state import QuoteState
from marketdata.models import Instrument
from marketdata.selectors import (
    ExpiryRow,
    FullQuote,
    Leg,
    PlainQuote,
    Price,
    PriceSource,
    SearchAnswer,
    StraddleDay,
    Underlying,
)
from marketdata.selectors.analytics import NO_OPTION, NO_SERIES, ChainAnalytics, OptionAnalytics
from marketdata.selectors.search import DEFAULT_LIMIT, MAX_LIMIT
from marketdata.services import Chain

MAX_WIDTH: Final = 401  # Chosen: above the strikes of any listed series, so that a width can name all of them.


def validated(bound: "serializers.BaseSerializer[Any]") -> dict[str, Any]:
    """Return the validated fields of a serializer that has its input. Raises ValidationError."""
    bound.is_valid(raise_exception=True)
    found: dict[str, Any] = bound.validated_data
    return found


class ExpiryParam(serializers.Field):  # type: ignore[type-arg]  # The framework's class takes no parameter at run time.
    """A date as 26FEB2026 or 2026-02-26. Raises MalformedDate."""

    def to_internal_value(self, data: Any) -> date:
        return parse_expiry(str(data))


class ExchangeQuery(serializers.Serializer[Any]):
    """The exchange, for a symbol that several exchanges list."""

    exchange = serializers.ChoiceField([one.value for one in Exchange], required=False)

    def to_internal_value(self, data: Any) -> Any:
        """Read empty parameters as absent, `ltp` as `underlying_ltp`, and exchanges in any case."""
        given = {name: value for name, value in data.items() if value != ""}
        if "ltp" in given:
            given.setdefault("underlying_ltp", given["ltp"])
        if "exchange" in given:
            given["exchange"] = given["exchange"].upper()
        return super().to_internal_value(given)


class ChainQuery(ExchangeQuery):
    """Query of an option chain."""

    expiry = ExpiryParam(required=False)
    strikes = serializers.IntegerField(min_value=1, max_value=MAX_WIDTH, required=False)
    underlying_ltp = serializers.DecimalField(
        max_digits=14, decimal_places=4, min_value=Decimal("0.0001"), required=False
    )


class SeriesQuery(ExchangeQuery):
    """Query of a series of options, by default the nearest."""

    expiry = ExpiryParam(required=False)


class IntradayQuery(SeriesQuery):
    """Query of intraday candles."""

    interval = serializers.ChoiceField(INTERVALS, default=1)


class SearchParams(serializers.Serializer[Any]):
    """Query of a search; `marketdata.domain.search` limits the length of `q`."""

    q = serializers.CharField(required=False, allow_blank=True, default="")
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, required=False, default=DEFAULT_LIMIT)


def format_expiries(underlying: Underlying, rows: Iterable[ExpiryRow]) -> dict[str, Any]:
    """Return the expiries of an underlying."""
    return {
        "symbol": underlying.symbol,
        "exchange": underlying.exchange.value,
        "expiries": [
            {
                "expiry": row.expiry,
                "display": format_expiry(row.expiry),
                "kind": row.kind.value,
                "days_left": row.days_left,
                "has_options": row.has_options,
                "has_futures": row.has_futures,
                "over": row.is_over,
            }
            for row in rows
        ],
    }


def format_answer(query: str, answer: SearchAnswer) -> dict[str, Any]:
    """Return the hits of a search, best first, without their prices."""
    return {
        "query": query,
        "did_you_mean": answer.did_you_mean,
        "results": [
            {
                "instrument_id": hit.instrument_id,
                "token": hit.token,
                "symbol": hit.underlying,
                "display_name": hit.display_name,
                "exchange": hit.exchange.value,
                "exchange_segment": hit.segment.name,
                "instrument_type": hit.instrument_type.value,
                "expiry": hit.expiry,
                "expiry_display": format_expiry(hit.expiry) if hit.expiry else None,
                "strike": hit.strike,
                "option_type": hit.option_type.value if hit.option_type else None,
                "lot_size": hit.lot_size,
                "spot_instrument_id": hit.spot_instrument_id,
                "over": hit.is_over,
                "offers": [
                    {
                        "instrument_type": offer.instrument_type,
                        "expiries": [{"expiry": expiry, "display": format_expiry(expiry)} for expiry in offer.expiries],
                    }
                    for offer in hit.offers
                ],
            }
            for hit in answer.hits
        ],
    }


def list_priced_ids(answer: Mapping[str, Any]) -> set[int]:
    """Return the ids of the hits in an answer to a search, and of the spots of its options."""
    hits = answer["results"]
    spots = {hit["spot_instrument_id"] for hit in hits if hit["option_type"] is not None} - {None}
    return {hit["instrument_id"] for hit in hits} | spots


def add_prices(answer: Mapping[str, Any], prices: Mapping[int, Price]) -> dict[str, Any]:
    """Return an answer to a search with the last prices of its hits and the moneyness of its options."""
    return {**answer, "results": [hit | _format_hit_price(hit, prices) for hit in answer["results"]]}


def _format_hit_price(hit: Mapping[str, Any], prices: Mapping[int, Price]) -> dict[str, Any]:
    price = prices.get(hit["instrument_id"])
    return {
        "ltp": None if price is None else price.ltp,
        "ltp_at": None if price is None else price.at,
        "moneyness": _judge_moneyness(hit, prices.get(hit["spot_instrument_id"])),
    }


def _judge_moneyness(hit: Mapping[str, Any], spot: Price | None) -> str | None:
    # The price of a former socket says where the spot was, not where it is.
    if hit["option_type"] is None or spot is None or spot.source is PriceSource.EARLIER:
        return None
    return moneyness_of(strike=hit["strike"], option_type=OptionType(hit["option_type"]), spot=spot.ltp).value


def format_chain(
    chain: Chain, spot: Instrument, quotes: Mapping[int, PlainQuote], analytics: ChainAnalytics, *, is_over: bool
) -> dict[str, Any]:
    """Return a chain with newest quotes and analytics; `is_over`: the last session of its expiry has ended."""
    sides: dict[Decimal, dict[OptionType, Leg]] = {}
    for leg in chain.legs:
        sides.setdefault(leg.strike, {})[leg.option_type] = leg
    series, window = chain.key.series, chain.window
    return {
        "symbol": series.underlying,
        "exchange": chain.listing.exchange.value,
        "expiry": series.expiry,
        "expiry_display": format_expiry(series.expiry),
        "over": is_over,
        "spot": {
            "instrument_id": spot.pk,
            "token": spot.token,
            "ltp": chain.spot.ltp,
            "source": chain.spot.source.value,
            "at": chain.spot.at,
        },
        "atm": window.atm,
        "strike_step": window.strike_step,
        "width": chain.width,
        "calculated_at": window.calculated_at,
        "series": {**NO_SERIES, **analytics.series},
        "strikes": [
            {
                "strike": strike,
                "is_atm": strike == window.atm,
                "ce": _format_leg(by_type.get(OptionType.CE), quotes, analytics.options),
                "pe": _format_leg(by_type.get(OptionType.PE), quotes, analytics.options),
            }
            for strike, by_type in sides.items()
        ],
    }


_NO_QUOTE: Final = dict.fromkeys(PlainQuote._fields) | {"state": QuoteState.WAITING}


def format_quote(quote: PlainQuote | None) -> dict[str, Any]:
    """Return the quote as JSON fields; without a quote the state is `waiting` and every other field null."""
    return dict(_NO_QUOTE) if quote is None else quote._asdict()


def format_full_quote(full: FullQuote) -> dict[str, Any]:
    """Return a quote with depth and the day so far as JSON fields; `depth` is null where it is unknown."""
    known = {one.name: getattr(full, one.name) for one in fields(full) if one.name not in {"quote", "bids", "asks"}}
    depth = None
    if full.bids is not None and full.asks is not None:
        depth = {side: [one._asdict() for one in levels] for side, levels in (("bids", full.bids), ("asks", full.asks))}
    return {**full.quote._asdict(), **known, "depth": depth}


def _format_leg(
    leg: Leg | None, quotes: Mapping[int, PlainQuote], analytics: Mapping[int, OptionAnalytics]
) -> dict[str, Any] | None:
    """Return one side of a strike; None if only the other side is listed."""
    if leg is None:
        return None
    return {
        "instrument_id": leg.instrument_id,
        "token": leg.token,
        "lot_size": leg.lot_size,
        "tick_size": leg.tick_size,
        **format_quote(quotes.get(leg.instrument_id)),
        **analytics.get(leg.instrument_id, NO_OPTION)._asdict(),
    }


def format_candles(instrument: Instrument, interval: int, answer: IntradayCandles) -> dict[str, Any]:
    """Return candles as lists [epoch seconds of the opening, open, high, low, close, volume], the earliest first."""
    rows = [] if answer.candles is None else answer.candles.tolist()
    return {
        "instrument_id": instrument.pk,
        "token": instrument.token,
        "exchange": instrument.exchange,
        "interval": interval,
        "received_at": answer.received_at,
        "candles": [[*row[:-1], None if isnan(row[-1]) else int(row[-1])] for row in rows],
    }


def format_straddle_day(found: StraddleDay) -> dict[str, Any]:
    """Return points as lists [epoch seconds, straddle, strike, volatility, forward], the earliest first."""
    series = found.series
    return {
        "symbol": series.underlying,
        "exchange": EXCHANGE_OF[series.segment].value,
        "expiry": series.expiry,
        "expiry_display": format_expiry(series.expiry),
        "day": found.day,
        "points": found.list_points(),
    }
