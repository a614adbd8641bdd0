"""Endpoints for expiries and search. They create no claims."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata import selectors, serializers


class ExpiriesView(APIView):
    """All expiries of a symbol, with options or futures; an empty list for a symbol without derivatives."""

    options_only = False

    def get(self, request: Request, symbol: str) -> Response:
        asked = serializers.validated(serializers.ExchangeQuery(data=request.query_params.dict()))
        underlying = selectors.resolve_symbol(symbol=symbol, exchange=asked.get("exchange")).underlying
        rows = selectors.list_expiries(underlying=underlying, options_only=self.options_only)
        if self.options_only and not rows:
            raise selectors.NoOptions(f"No options are listed on {underlying.symbol}.", symbol=underlying.symbol)
        return Response(serializers.format_expiries(underlying, rows))


class OptionExpiriesView(ExpiriesView):
    """The expiries of a symbol with options, their kind and the days left; 404 without listed options."""

    options_only = True


class SearchView(APIView):
    """Search for instruments: `rel`, `nifty 25000 ce 27 nov`, `banknifty fut`."""

    def get(self, request: Request) -> Response:
        asked = serializers.validated(serializers.SearchParams(data=request.query_params.dict()))
        hits = selectors.search_instruments(query=asked["q"], limit=asked["limit"])
        return Response(serializers.format_hits(asked["q"], hits))
