"""Endpoints for expiries, search, and the candles and the straddle of the day. They create no claims.

Lists of instruments change with an import, the date of the market, or a session that ends an expiry, and with nothing
else. So each of their answers has an ETag of these. A caller that sends it back gets 304 without a body, before
anything is read; for others the process keeps what it answered last. The search adds the last prices of its hits, from
one read of the quote board, so its ETag also depends on them.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final, cast

from django.core.cache import cache
from django.http import HttpResponse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata import selectors, serializers, services

_SHAPE: Final = 2  # chosen: grows when the same list is answered in another form


class ListedView(APIView):
    """A view whose answer depends on the instrument list, the date and the calendar alone."""

    def get(self, request: Request, **parameters: str) -> HttpResponse:
        etag = _etag_of(request)
        return _conditional(request, etag, lambda: self._find(etag, request, **parameters))

    def _find(self, etag: str | None, request: Request, **parameters: str) -> dict[str, Any]:
        if etag is None:
            return self.read(request, **parameters)
        found = cache.get(etag)
        if found is None:
            found = self.read(request, **parameters)
            cache.set(etag, found)
        return cast("dict[str, Any]", found)

    def read(self, request: Request, **parameters: str) -> dict[str, Any]:
        """Return the answer, from the database."""
        raise NotImplementedError


def _conditional(request: Request, etag: str | None, find: Callable[[], dict[str, Any]]) -> HttpResponse:
    """Return 304 to a caller that has the answer with this ETag, else the answer that `find` returns."""
    unchanged = get_conditional_response(request._request, etag=etag)  # noqa: SLF001  It takes Django's request.
    answer = unchanged if unchanged is not None else Response(find())
    if etag is not None:
        answer["ETag"], answer["Cache-Control"] = etag, "private, no-cache"
    return answer


def _etag_of(request: Request) -> str | None:
    """Return the ETag of the answer to this request; None before the first import."""
    state = selectors.get_list_state()
    if state.newest is None:
        return None
    current_from = selectors.list_current_from(at=selectors.market_now())
    shown = request.accepted_renderer.format, request.get_full_path()
    return _etag((_SHAPE, state, sorted(current_from.items()), shown))


def _etag(content: object) -> str:
    return f'"{hashlib.sha256(repr(content).encode()).hexdigest()[:32]}"'


class ExpiriesView(ListedView):
    """All expiries of a symbol, with options or futures; an empty list for a symbol without derivatives."""

    options_only = False

    def read(self, request: Request, **parameters: str) -> dict[str, Any]:
        asked = serializers.validated(serializers.ExchangeQuery(data=request.query_params.dict()))
        underlying = selectors.resolve_symbol(symbol=parameters["symbol"], exchange=asked.get("exchange")).underlying
        rows = selectors.list_expiries(underlying=underlying, options_only=self.options_only)
        if self.options_only and not rows:
            raise selectors.NoOptions(f"No options are listed on {underlying.symbol}.", symbol=underlying.symbol)
        return serializers.format_expiries(underlying, rows)


class OptionExpiriesView(ExpiriesView):
    """The expiries of a symbol with options, their kind and the days left; 404 without listed options."""

    options_only = True


class SearchView(ListedView):
    """Search for instruments: `rel`, `nifty 25000 ce 27 nov`, `banknifty fut`."""

    def get(self, request: Request, **parameters: str) -> HttpResponse:
        listed = _etag_of(request)
        found = self._find(listed, request, **parameters)
        prices = selectors.list_hit_prices(instrument_ids=serializers.list_priced_ids(found))
        # The prices are not kept beside the hits: they are older with every tick.
        etag = None if listed is None else _etag((listed, sorted(prices.items())))
        return _conditional(request, etag, lambda: serializers.add_prices(found, prices))

    def read(self, request: Request, **_parameters: str) -> dict[str, Any]:
        asked = serializers.validated(serializers.SearchParams(data=request.query_params.dict()))
        answer = selectors.answer_search(query=asked["q"], limit=asked["limit"])
        return serializers.format_answer(asked["q"], answer)


class IntradayView(APIView):
    """The broker's candles of the present session, or the last one, of what the options of a symbol are written on.

    `interval` in minutes (1, 5, 15, 25 or 60; 1 without it), `exchange`, `expiry` (of options; it matters for
    commodities, whose options are written on futures).
    """

    def get(self, request: Request, symbol: str) -> Response:
        asked, now = serializers.validated(serializers.IntradayQuery(data=request.query_params.dict())), timezone.now()
        instrument = selectors.get_chart_instrument(
            symbol=symbol, exchange=asked.get("exchange"), expiry=asked.get("expiry"), now=now
        )
        answer = services.current_candles(instrument=instrument, interval=asked["interval"], now=now)
        return Response(serializers.format_candles(instrument, asked["interval"], answer))


class StraddleView(APIView):
    """The straddle at the money of a series of options today, one point a minute, from the analytics worker.

    `exchange`, `expiry` (of options; the nearest without it). The ETag changes with each point.
    """

    def get(self, request: Request, symbol: str) -> HttpResponse:
        asked = serializers.validated(serializers.SeriesQuery(data=request.query_params.dict()))
        found = selectors.get_straddle_day(
            symbol=symbol, exchange=asked.get("exchange"), expiry=asked.get("expiry"), now=timezone.now()
        )
        shown = repr((_SHAPE, found.series, found.day, request.accepted_renderer.format))
        etag = f'"{hashlib.sha256(shown.encode() + found.payload).hexdigest()[:32]}"'
        unchanged = get_conditional_response(request._request, etag=etag)  # noqa: SLF001  It takes Django's request.
        answer = unchanged if unchanged is not None else Response(serializers.format_straddle_day(found))
        answer["ETag"], answer["Cache-Control"] = etag, "private, no-cache"
        return answer
