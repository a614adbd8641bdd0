"""The terminal's page: HTML around what the browser then asks of the API and the socket."""

from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from marketdata import selectors as market

STRIP: Final = ("NIFTY", "BANKNIFTY", "SENSEX", "FINNIFTY", "MIDCPNIFTY")


@require_safe
@never_cache
@login_required
def terminal(request: HttpRequest) -> HttpResponse:
    """Show the terminal to a trader who is logged in."""
    boot = {
        "indices": list(_listed_indices(STRIP)),
        "today": market.market_today().isoformat(),
        "login_url": resolve_url(settings.LOGIN_URL),
    }
    return render(request, "watchlists/terminal.html", {"boot": boot})


def _listed_indices(symbols: Iterable[str]) -> Iterable[dict[str, Any]]:
    """Yield what is listed of `symbols`; before the first import that is nothing."""
    for symbol in symbols:
        try:
            yield {"symbol": symbol, "instrument_id": market.get_index(symbol=symbol).pk}
        except market.UnknownSymbol:
            continue
