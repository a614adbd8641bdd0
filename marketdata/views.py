"""Endpoints for expiries and search. They create no claims."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata import selectors, serializers


class OptionExpiriesView(APIView):
    """The expiries of a symbol with options, their kind and the days left."""

    def get(self, request: Request, symbol: str) -> Response:
        """Return the expiries; 404 without listed options."""
        asked = _query(serializers.ExchangeQuery, request)
        underlying = selectors.find_underlying(symbol=symbol, exchange=asked.get("exchange"))
        rows = selectors.list_expiries(underlying=underlying, options_only=True)
        if not rows:
            raise selectors.NoOptions(f"No options are listed on {underlying.symbol}.", symbol=underlying.symbol)
        return Response(serializers.format_expiries(underlying, rows))


class ExpiriesView(APIView):
    """All expiries of a symbol, with options or futures."""

    def get(self, request: Request, symbol: str) -> Response:
        """Return the expiries; an empty list for a symbol without derivatives."""
        asked = _query(serializers.ExchangeQuery, request)
        underlying = selectors.find_underlying(symbol=symbol, exchange=asked.get("exchange"))
        rows = selectors.list_expiries(underlying=underlying, options_only=False)
        return Response(serializers.format_expiries(underlying, rows))


class SearchView(APIView):
    """Search for instruments: `rel`, `nifty 25000 ce 27 nov`, `banknifty fut`."""

    def get(self, request: Request) -> Response:
        """Return the best hits for `q`, at most `limit`."""
        asked = _query(serializers.SearchParams, request)
        hits = selectors.search_instruments(query=asked["q"], limit=asked["limit"])
        return Response(serializers.format_hits(asked["q"], hits))


def _query(kind: type[Any], request: Request) -> dict[str, Any]:
    """Return the query parameters validated by the serializer `kind`. Raises ValidationError."""
    given = kind(data=request.query_params.dict())
    given.is_valid(raise_exception=True)
    found: dict[str, Any] = given.validated_data
    return found
