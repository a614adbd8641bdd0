"""Resolves the watches of a browser: the instruments of each, and the message that describes them to the screen.

A watch is resolved when it is opened, and again when something changed that it shows (`shared_watches`). This module
does not know sockets.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial
from math import isnan
from typing import Any

from marketdata import selectors as market
from marketdata import services as market_services
from marketdata.domain.chain import WindowKey
from marketdata.domain.expiries import parse_expiry
from marketdata.domain.instruments import (
    EXCHANGE_OF,
    InstrumentType,
    OptionType,
    SeriesKey,
    format_expiry,
    format_strike,
)
from marketdata.streaming.messages import Watch, WatchChain, WatchDetail, WatchInstruments
from subscriptions import selectors as subscriptions
from subscriptions import services as subscription_services
from watchlists import selectors
from watchlists.models import EntryKind

ViewKey = WindowKey | int
"""What a view claim is of: the window of a chain, or one instrument."""


class StandstillReason(StrEnum):
    """Why instruments of an open chain, or a single one, do not stream."""

    NO_ROOM = "no_room"
    SOON = "soon"  # They are claimed when views are noted next.


@dataclass(frozen=True, slots=True)
class ResolvedWatch:
    """The answer to a watch, and the instruments whose quotes are sent."""

    message: Mapping[str, Any]
    instrument_ids: tuple[int, ...]
    window_key: WindowKey | None = None
    """Of a chain."""
    series_ids: tuple[int, ...] = ()
    """Of a chain or an option, the id of its analytics."""
    detail_ids: tuple[int, ...] = ()
    """The instrument whose details are sent."""
    follows_price: bool = False
    """No claim holds this chain, so no service moves its window: viewers must read it again as the price moves."""
    lacks_prices: bool = False
    """Of a chain: some options have no price yet; the broker's last ones are shown (`request_broker_prices`)."""

    @property
    def series(self) -> SeriesKey | None:
        """The series of a chain."""
        return None if self.window_key is None else self.window_key.series

    @property
    def view_key(self) -> ViewKey | None:
        """What must stream because of this watch: a chain, or an instrument with its details."""
        return next(iter(self.detail_ids), self.window_key)


def resolve_watch(
    *, watch: Watch, user_id: int | None, is_opening: bool, is_unclaimed: bool = False, now: datetime
) -> ResolvedWatch:
    """Return the answer to `watch`. Raises DomainError with a sentence for the trader.

    `is_opening` is true when a browser of this user opens the watch, which counts as a view, and false when an open one
    is read again. Chains and instruments are the same for all users, so then they need none. A chain, or an instrument
    with its details, that is opened, or is open and `is_unclaimed`, gets a view claim, so that it streams.
    """
    if isinstance(watch, WatchDetail):
        return _resolve_detail(watch, user_id, now, is_opening=is_opening, claims_view=is_opening or is_unclaimed)
    if isinstance(watch, WatchChain):
        user_id = user_id if is_opening else None
        return _resolve_chain(watch, user_id, now, is_opening=is_opening, claims_view=is_opening or is_unclaimed)
    if isinstance(watch, WatchInstruments):
        instrument_ids = market.list_existing(watch.instrument_ids)
    elif user_id is not None:
        instrument_ids = selectors.list_quoted_instruments(user_id=user_id)
    else:
        raise ValueError("a watchlist is that of a user")
    if is_opening and user_id is not None:
        view = subscription_services.View(user_id, instrument_ids=tuple(instrument_ids))
        subscription_services.note_views([view], now=now)
    return _watching(watch.watch_id, instrument_ids)


def _watching(watch_id: str, instrument_ids: Sequence[int]) -> ResolvedWatch:
    message = {
        "type": "watching",
        "id": watch_id,
        "instruments": list(instrument_ids),
        "not_streaming": _not_streaming(instrument_ids),
    }
    return ResolvedWatch(message, tuple(instrument_ids))


def _resolve_detail(
    watch: WatchDetail, user_id: int | None, now: datetime, *, is_opening: bool, claims_view: bool
) -> ResolvedWatch:
    one = market.get_instrument_details(instrument_id=watch.instrument_id, now=now)
    instrument, ids = one.instrument, (watch.instrument_id,)
    if is_opening and user_id is not None:
        subscription_services.note_views([subscription_services.View(user_id, instrument_ids=ids)], now=now)
    expiry, instrument_type = instrument.expiry, InstrumentType(instrument.instrument_type)
    standing: list[int] = []
    # What held it until now may have ended: a window that moved, a chain that its trader removed.
    if claims_view or _not_streaming(ids):
        subscription_services.claim_instrument_view(
            instrument_id=watch.instrument_id, user_id=user_id, is_opening=is_opening, now=now
        )
        standing = _not_streaming(ids)
    message = {
        "type": "instrument",
        "id": watch.watch_id,
        "instrument_id": watch.instrument_id,
        "token": instrument.token,
        "name": instrument.display_name or instrument.token,
        "symbol": instrument.underlying_symbol,
        "exchange": instrument.exchange,
        "kind": _kind_of(instrument_type),
        # Options of currencies are not served.
        "entry_type": None if instrument_type is InstrumentType.OPTCUR else EntryKind.of(instrument_type),
        "expiry": expiry and expiry.isoformat(),
        "strike": None if instrument.strike is None else format_strike(instrument.strike),
        "option_type": instrument.option_type or None,
        "lot_size": instrument.lot_size,
        "tick_size": float(instrument.tick_size),
        # Of the last import: the exchange may widen them during a day.
        "lower_limit": _to_float(instrument.lower_limit),
        "upper_limit": _to_float(instrument.upper_limit),
        "has_options": one.has_options,
        "over": one.is_over,
        "not_streaming": standing,
        "not_streaming_reason": _reason_of(standing),
    }
    series_ids = () if one.series_id is None else (one.series_id,)
    return ResolvedWatch(message, ids, series_ids=series_ids, detail_ids=ids)


def _to_float(price: Decimal | None) -> float | None:
    """Return a price limit in rupees; a limit of zero is unknown."""
    return float(price) if price else None


def _kind_of(instrument_type: InstrumentType) -> str:
    """Return the kind of an instrument in one word: index, share, future or option."""
    if instrument_type.is_option:
        return "option"
    if instrument_type.is_future:
        return "future"
    return "index" if instrument_type is InstrumentType.INDEX else "share"


def _resolve_chain(
    watch: WatchChain, user_id: int | None, now: datetime, *, is_opening: bool, claims_view: bool
) -> ResolvedWatch:
    expiry = parse_expiry(watch.expiry) if watch.expiry else None
    view = partial(
        subscription_services.view_chain, width=watch.strikes, user_id=user_id, is_opening=is_opening, now=now
    )
    followed = None
    try:
        underlying = market.find_underlying(symbol=watch.symbol, exchange=watch.exchange)
        chain = view(listing=market.get_series(underlying=underlying, expiry=expiry, now=now))
    except (market.UnknownSymbol, market.NoOptions, market.UnknownExpiry):
        # A page that is open while the exchange moves the expiry, or renames the underlying, goes on with the same
        # contracts.
        followed = market.find_followed_series(symbol=watch.symbol, exchange=watch.exchange, expiry=expiry)
        if followed is None:
            raise
        present = followed.present
        underlying = market.find_underlying(symbol=present.underlying, exchange=EXCHANGE_OF[present.segment])
        present_expiry = present.expiry if expiry else None
        chain = view(listing=market.get_series(underlying=underlying, expiry=present_expiry, now=now))
    if claims_view:
        subscription_services.claim_view(chain=chain, user_id=user_id, is_opening=is_opening, now=now)
    listing, window, legs = chain.listing, chain.window, chain.legs
    ids = [leg.instrument_id for leg in legs]
    standing = _not_streaming([listing.spot_instrument_id, *ids])
    unpriced = set(ids) - market.list_prices(instrument_ids=ids).keys()
    message = {
        "type": "chain",
        "id": watch.watch_id,
        "symbol": underlying.symbol,
        "exchange": underlying.exchange.value,
        "instrument_type": selectors.OPTION_KIND_OF.get(underlying.kind),
        "expiry": listing.series.expiry.isoformat(),
        "expiry_display": format_expiry(listing.series.expiry),
        # The symbol of the watch, if the exchange has renamed it: the page goes on under the present one.
        "former_symbol": watch.symbol if followed and followed.is_renamed else None,
        "days_left": (listing.series.expiry - market.market_today()).days,
        "over": bool(market.list_over(contracts=[listing.contract], now=now)),
        "series_id": listing.series_id,
        "spot_instrument_id": listing.spot_instrument_id,
        "atm": format_strike(window.atm),
        "strike_step": format_strike(window.strike_step),
        "lot_size": legs[0].lot_size if legs else None,
        "tick_size": float(legs[0].tick_size) if legs else None,
        "width": chain.width,
        "strikes": _strikes(legs),
        "not_streaming": standing,
        "not_streaming_reason": _reason_of(standing),
        "broker_prices": _broker_prices(listing.series, unpriced, now) if unpriced else None,
    }
    return ResolvedWatch(
        message,
        (listing.spot_instrument_id, *ids),
        window_key=chain.key,
        series_ids=(listing.series_id,),
        follows_price=not subscriptions.is_claimed(chain.key),
        lacks_prices=bool(unpriced),
    )


def request_broker_prices(*, series: SeriesKey, now: datetime) -> bool:
    """Have the broker asked for the chain of `series` unless its answer is fresh; return whether that is a new one.

    Blocks for one request to the broker. Raises DomainError.
    """
    chain = market_services.current_chain(listing=market.get_series_by_key(key=series), now=now)
    return chain is not None and chain.received_at == now


def _broker_prices(series: SeriesKey, instrument_ids: Collection[int], now: datetime) -> Mapping[str, Any] | None:
    """Return the broker's last quotes of these options with the time of their receipt; None where it gave none.

    Each is [instrument id, LTP, previous close, bid, ask, volume, OI], in rupees and units; null is unknown.
    """
    chain = market.list_broker_chains(series=[series], now=now).get(series)
    if chain is None:
        return None
    fields = ("ltp", "previous_close", "bid", "ask", "volume", "oi")
    quotes = [
        [int(row["instrument_id"]), *(None if isnan(row[name]) else float(row[name]) for name in fields)]
        for row in chain.rows
        if int(row["instrument_id"]) in instrument_ids
    ]
    at_ms = round(chain.received_at.timestamp() * 1_000)
    return {"at_ms": at_ms, "segment": int(series.segment), "quotes": quotes}


def _strikes(legs: Sequence[market.Leg]) -> list[list[str | int | None]]:
    """Return [strike, call instrument id or null, put instrument id or null], lowest strike first."""
    rows: dict[Decimal, list[str | int | None]] = {}
    for leg in sorted(legs, key=lambda leg: leg.strike):
        row = rows.setdefault(leg.strike, [format_strike(leg.strike), None, None])
        row[1 if leg.option_type is OptionType.CE else 2] = leg.instrument_id
    return list(rows.values())


def _not_streaming(instrument_ids: Sequence[int]) -> list[int]:
    streamed = subscriptions.connection_of(instrument_ids)
    return [one for one in instrument_ids if one not in streamed]


def _reason_of(not_streaming: Sequence[int]) -> StandstillReason | None:
    if not not_streaming:
        return None
    return StandstillReason.NO_ROOM if len(not_streaming) > subscriptions.count_free() else StandstillReason.SOON
