"""The pages of a trader: HTML that loads the browser code; prices and rankings come over the API and the socket."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from accounts import selectors as accounts
from accounts.domain.layouts import MAX_LAYOUTS
from accounts.pages import user_id
from marketdata import selectors as market

# Chosen: the indices with the most traded options.
STRIP: Final = ("NIFTY", "BANKNIFTY", "SENSEX", "FINNIFTY", "MIDCPNIFTY")


@require_safe
@never_cache
@login_required
def terminal(request: HttpRequest) -> HttpResponse:
    """Answer the terminal's page, for logged-in users only."""
    return _render_terminal(request, is_chain_alone=False)


@require_safe
@never_cache
@login_required
def chain(request: HttpRequest, underlying: str, expiry: str) -> HttpResponse:  # noqa: ARG001  Parts of the route.
    """Answer the terminal's page with one chain alone, whose name the browser code reads from the address."""
    return _render_terminal(request, is_chain_alone=True)


@require_safe
@never_cache
@login_required
def instrument(request: HttpRequest, instrument_id: int) -> HttpResponse:  # noqa: ARG001  Part of the route.
    """Answer the terminal's page with the details of one instrument, which the browser code reads from the address."""
    return _render_terminal(request, is_chain_alone=False)


def _render_terminal(request: HttpRequest, *, is_chain_alone: bool) -> HttpResponse:
    """Render the terminal, or without the list and the search."""
    boot = {
        "indices": list(_listed_indices(STRIP)),
        "today": market.market_today().isoformat(),
        "login_url": resolve_url(settings.LOGIN_URL),
        # With the page, so that the first paint of the chain has the columns that the trader chose.
        "layouts": [asdict(one) for one in accounts.list_layouts(user_id=user_id(request))],
        "most_layouts": MAX_LAYOUTS,
        "username": request.user.get_username(),
    }
    context = {"boot": boot, "is_simulated": settings.IS_SIMULATED, "is_chain_alone": is_chain_alone}
    return render(request, "watchlists/terminal.html", context)


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie  # for the button that changes the theme
def scanner(request: HttpRequest) -> HttpResponse:
    """Answer the scanner's page, for logged-in users only."""
    boot = {"terminal_url": resolve_url("terminal"), "login_url": resolve_url(settings.LOGIN_URL)}
    return render(request, "watchlists/scanner.html", {"boot": boot, "is_simulated": settings.IS_SIMULATED})


def _listed_indices(symbols: Iterable[str]) -> Iterable[dict[str, Any]]:
    """Yield those of `symbols` that are listed; none before the first import."""
    for symbol in symbols:
        try:
            yield {"symbol": symbol, "instrument_id": market.get_index(symbol=symbol).pk}
        except market.UnknownSymbol:
            continue
