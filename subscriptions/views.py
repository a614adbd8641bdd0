"""HTTP of subscriptions: what streams where."""

from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata import selectors as market_selectors
from subscriptions import selectors, services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.serializers import ChainRequest, StatusOut, format_chain_claim


class StatusView(APIView):
    """Totals, tiers and the five connections; drift is what is wanted and not confirmed streaming."""

    def get(self, _request: Request) -> Response:
        """Answer the status as of now."""
        return Response(StatusOut(selectors.subscription_status()).data)


class ChainSubscribeView(GenericAPIView[Any]):
    """Have an option chain streamed without putting it on your watchlist; asking again changes nothing."""

    permission_classes = [IsAuthenticated]
    serializer_class = ChainRequest

    def post(self, request: Request) -> Response:
        """Claim the chain for the one who asks."""
        asked = self.get_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        underlying = market_selectors.find_underlying(symbol=wanted["symbol"], exchange=wanted.get("exchange"))
        listing = market_selectors.get_series(underlying=underlying, expiry=wanted.get("expiry"))
        placed = services.claim_chain(
            series=listing.series,
            width=wanted.get("strikes") or listing.default_width,
            tier=Tier.A,
            kind=ClaimKind.CHAIN,
            user_id=request.user.pk,
            actor=request.user.get_username(),
            reason="API_SUBSCRIBE",
            caller_ltp=wanted.get("underlying_ltp"),
            now=timezone.now(),
        )
        return Response(format_chain_claim(listing.series, placed), status=status.HTTP_201_CREATED)
