"""REST views of subscriptions, connections and option chains."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from accounts.serializers import require_user_id
from marketdata import selectors as market_selectors
from marketdata import services as market_services
from marketdata.serializers import ChainQuery, format_chain, validated
from subscriptions import selectors, serializers, services
from subscriptions.domain.claims import ClaimKind, Tier
from subscriptions.permissions import IsOperator


class StatusView(APIView):
    """Totals, tiers and the five connections; `drift` is wanted minus confirmed streaming."""

    def get(self, _request: Request) -> Response:
        return Response(serializers.format_status(selectors.subscription_status()))


class ActiveView(APIView):
    """Active subscriptions in pages of at most 200, oldest first.

    `tier` (A, B), `connection` (1 to 5), `underlying` (NIFTY, BSE:RELIANCE), `limit`; `next` leads to the next page.
    """

    def get(self, request: Request) -> Response:
        wanted = validated(serializers.ActiveQuery(data=request.query_params.dict()))
        page = selectors.list_active(
            tier=Tier(wanted["tier"]) if "tier" in wanted else None,
            connection=wanted.get("connection"),
            underlying=wanted.get("underlying"),
            after=wanted["cursor"],
            limit=wanted["limit"],
        )
        # The next address keeps the filters of the caller.
        here = request.build_absolute_uri()
        following = replace_query_param(here, "cursor", page.next_after) if page.next_after else None
        return Response(serializers.format_active(page, next_address=following))


class QuotaView(APIView):
    """Your quota of instruments, its use, and your claims that use it, those with most of it first."""

    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        user_id = require_user_id(request.user)
        use = selectors.read_quota_use(user_id=user_id)
        claims = selectors.list_quota_claims(user_id=user_id)
        return Response({**serializers.format_quota_use(use), "claims": serializers.format_quota_claims(claims)})


class SubscriptionView(APIView):
    """One subscription, by the token of its instrument or by the broker's key.

    `RELIANCE_26FEB2026_2640CE`, `BSE:RELIANCE` or `NSE_FNO:131533`; 404 where it is not listed or not subscribed.
    """

    def get(self, _request: Request, token: str) -> Response:
        return Response(serializers.format_detail(selectors.get_active(token=token)))


class WsStatusView(APIView):
    """The five connections for operators: owner, epoch, rate, lag, last error."""

    permission_classes = [IsOperator]

    def get(self, _request: Request) -> Response:
        return Response(serializers.format_ws_status(selectors.list_reported_connections()))


class RebalanceView(APIView):
    """Level the loads with the fewest moves; an instrument streams on its old connection until the new one has it."""

    permission_classes = [IsOperator]

    def post(self, request: Request) -> Response:
        done = services.rebalance(actor=request.user.get_username(), now=timezone.now())
        return Response(serializers.format_rebalance_report(done))


class OptionChainView(APIView):
    """The window of an option chain around the money, with live or last quotes; it subscribes nothing.

    Options that do not stream have the prices of the broker's own chain, with their time (`source` is `chain`).

    `expiry` (the nearest without it), `strikes` (how many), `underlying_ltp` (used only where we know no price),
    `exchange`. Reading a chain that you claimed counts as a view of it.
    """

    listings = market_selectors.ListingCache()

    def get(self, request: Request, symbol: str) -> Response:
        asked, now = validated(ChainQuery(data=request.query_params.dict())), timezone.now()
        listed = self.listings.read()
        named = listed.resolve_symbol(symbol=symbol, exchange=asked.get("exchange"), expiry=asked.get("expiry"))
        listing = listed.get_series(underlying=named.underlying, expiry=named.expiry, now=now)
        chain = services.view_chain(
            listing=listing,
            width=asked.get("strikes"),
            user_id=request.user.pk,
            caller_ltp=asked.get("underlying_ltp"),
            now=now,
        )
        quotes = self._list_quotes(chain, now)
        analytics = market_selectors.get_chain_analytics(
            series_id=listing.series_id, instrument_ids=[leg.instrument_id for leg in chain.legs], now=now
        )
        spot = listed.get_instrument_by_id(instrument_id=listing.spot_instrument_id)
        # Without an expiry it is the nearest that is not over.
        is_over = named.expiry is not None and bool(market_selectors.list_over(contracts=[listing.contract], now=now))
        return Response(format_chain(chain, spot, quotes, analytics, is_over=is_over))

    @staticmethod
    def _list_quotes(chain: market_services.Chain, now: datetime) -> Mapping[int, market_selectors.PlainQuote]:
        """Return the newest quotes of the options; of those that do not stream, what the broker's chain says."""
        ticks = {leg.instrument_id: leg.tick_size for leg in chain.legs}
        quotes = market_selectors.list_quotes(tick_sizes=ticks)
        missing = {one: tick for one, tick in ticks.items() if one not in quotes}
        last = market_services.current_chain(listing=chain.listing, now=now) if missing else None
        if last is None:
            return quotes
        segment = chain.listing.series.segment
        others = market_selectors.list_chain_quotes(chain=last, segment=segment, tick_sizes=missing, now=now)
        return {**others, **quotes}


class ChainSubscribeView(GenericAPIView[Any]):
    """Subscribe an option chain without a watchlist entry; repeating the request changes nothing."""

    permission_classes = [IsAuthenticated]
    serializer_class = serializers.ChainRequest

    def post(self, request: Request) -> Response:
        wanted = validated(self.get_serializer(data=request.data))
        named = market_selectors.resolve_symbol(
            symbol=wanted["symbol"], exchange=wanted.get("exchange"), expiry=wanted.get("expiry")
        )
        now = timezone.now()
        listing = market_selectors.get_series(underlying=named.underlying, expiry=named.expiry, now=now)
        chain = market_services.open_chain(
            listing=listing,
            width=wanted.get("strikes") or listing.default_width,
            caller_ltp=wanted.get("underlying_ltp"),
            now=now,
        )
        placed = services.claim_chain(
            chain=chain,
            tier=Tier.A,
            kind=ClaimKind.CHAIN,
            user_id=request.user.pk,
            actor=request.user.get_username(),
            reason="API_SUBSCRIBE",
            now=now,
        )
        return Response(serializers.format_chain_claim(chain.key.series, placed), status=status.HTTP_201_CREATED)
