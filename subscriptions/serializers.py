"""JSON shapes of subscriptions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from rest_framework import serializers

from accounts.serializers import OwnUserField
from marketdata.dhan.requests import MAX_CONNECTIONS
from marketdata.domain.expiries import parse_expiry
from marketdata.domain.instruments import EXCHANGE_OF, Exchange, SeriesKey, format_expiry
from marketdata.serializers import format_full_quote
from subscriptions.domain.claims import Tier
from subscriptions.domain.connections import ConnectionStatus
from subscriptions.domain.quota import QuotaUse
from subscriptions.selectors import ActivePage, ActiveSubscription, QuotaClaim, Status, SubscriptionDetail
from subscriptions.services import Placed, RebalanceReport

MAX_WIDTH: Final = 101  # design.md section 6: the widest default (index chains); more is a listing, not a chain
MAX_PAGE: Final = 200  # chosen: all 25,000 subscriptions take 125 requests


class ExpiryField(serializers.Field[Any, Any, Any, Any]):
    """A date as 26FEB2026 or 2026-02-26; empty means none. Raises MalformedDate."""

    default_error_messages = {"invalid": "Write the date as text, like 26FEB2026 or 2026-02-26."}

    def __init__(self) -> None:
        super().__init__(required=False, allow_null=True)

    def to_internal_value(self, data: object) -> date | None:
        if not isinstance(data, str | int):
            self.fail("invalid")
        text = str(data).strip()
        return parse_expiry(text) if text else None

    def to_representation(self, value: object) -> str:
        """Show the date in an example of the body."""
        return str(value)


class NamesItsSpotPrice(serializers.Serializer[Any]):
    """A body in which `ltp` is another name of `underlying_ltp`."""

    # In rupees.
    underlying_ltp = serializers.DecimalField(
        max_digits=14, decimal_places=4, min_value=Decimal("0.0001"), required=False, allow_null=True
    )

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and "ltp" in data and "underlying_ltp" not in data:
            data = {**data, "underlying_ltp": data["ltp"]}
        return super().to_internal_value(data)


class ChainRequest(NamesItsSpotPrice):
    """Body of an explicit chain subscription, and the fields that name a chain in other bodies."""

    user_id = OwnUserField()
    symbol = serializers.CharField(max_length=64)
    exchange = serializers.ChoiceField([one.value for one in Exchange], required=False, allow_null=True)
    expiry = ExpiryField()
    strikes = serializers.IntegerField(min_value=1, max_value=MAX_WIDTH, required=False, allow_null=True)


def format_status(status: Status) -> dict[str, Any]:
    """Return all subscriptions at a glance; `sent`, `streaming` and `drift` are null while Redis does not answer."""
    return {
        "total": status.total,
        "capacity": status.capacity,
        "tier_a": status.tier_a,
        "tier_b": status.tier_b,
        "utilisation": status.utilisation,
        "connections": [
            {
                "ws_id": one.number,
                "load": one.load,
                "capacity": one.capacity,
                "state": one.state.value,
                "sent": one.sent,
                "streaming": one.streaming,
            }
            for one in status.connections
        ],
        "drift": status.drift,
    }


def format_placed(placed: Placed) -> dict[str, Any]:
    """Return the counts of a claim, in total and by connection."""
    return {
        "legs": placed.legs,
        "subscribed": placed.subscribed,
        "shared": placed.shared,
        "evicted": list(placed.evicted),
        "message": placed.message,
        "connections": {str(number): count for number, count in placed.per_connection.items()},
    }


def format_chain_claim(series: SeriesKey, placed: Placed) -> dict[str, Any]:
    """Return the answer to an explicit chain subscription."""
    chain = placed.chain
    return {
        "claim_id": placed.claim_id,
        "symbol": series.underlying,
        "exchange": EXCHANGE_OF[series.segment],
        "expiry": series.expiry,
        "expiry_display": format_expiry(series.expiry),
        "atm": chain.window.atm if chain else None,
        "lowest_strike": chain.window.lowest_strike if chain else None,
        "highest_strike": chain.window.highest_strike if chain else None,
        "spot_instrument_id": chain.listing.spot_instrument_id if chain else None,
        **format_placed(placed),
    }


class ActiveQuery(serializers.Serializer[Any]):
    """Query of active subscriptions: filters, cursor and page size."""

    tier = serializers.ChoiceField([one.value for one in Tier], required=False)
    connection = serializers.IntegerField(min_value=1, max_value=MAX_CONNECTIONS, required=False)
    underlying = serializers.CharField(max_length=64, required=False)
    cursor = serializers.IntegerField(min_value=0, max_value=2**63 - 1, required=False, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, required=False, default=100)

    def to_internal_value(self, data: Any) -> Any:
        """Read empty parameters as absent, and tiers in any case."""
        given = {name: value for name, value in data.items() if value != ""}
        if "tier" in given:
            given["tier"] = given["tier"].upper()
        return super().to_internal_value(given)


def format_active(page: ActivePage, *, next_address: str | None) -> dict[str, Any]:
    """Return a page of active subscriptions."""
    return {"count": page.count, "next": next_address, "results": [_format_subscription(one) for one in page.rows]}


def format_detail(detail: SubscriptionDetail) -> dict[str, Any]:
    """Return one subscription with its claims by kind and its newest quote."""
    return {
        **_format_subscription(detail.subscription),
        "claims_by_kind": {kind.value: count for kind, count in detail.claims_by_kind.items()},
        "quote": format_full_quote(detail.quote) if detail.quote else None,
    }


def format_quota_use(use: QuotaUse) -> dict[str, Any]:
    """Return the quota of a trader and its use, in instruments."""
    return {"quota": use.quota, "used": use.used, "left": use.left}


def format_quota_claims(claims: Sequence[QuotaClaim]) -> list[dict[str, Any]]:
    """Return the claims of a trader; `counted` of the `legs` of each count against the quota."""
    return [
        {
            "kind": one.kind.value,
            "name": one.name,
            "expiry": one.expiry,
            "expiry_display": format_expiry(one.expiry) if one.expiry else None,
            "width": one.width,
            "legs": one.legs,
            "counted": one.counted,
        }
        for one in claims
    ]


def format_ws_status(connections: Sequence[ConnectionStatus]) -> dict[str, Any]:
    """Return the connections; values that only an owner knows are null while there is none."""
    return {"connections": [_format_connection(one) for one in connections]}


def _format_connection(one: ConnectionStatus) -> dict[str, Any]:
    report = one.report
    last_ms = report.last_packet_at_ms if report else None
    return {
        "ws_id": one.number,
        "owner": one.owner,
        "epoch": one.epoch,
        "state": one.state.value,
        "since": one.since,
        "load": one.load,
        "capacity": one.capacity,
        "sent": report.sent if report else None,
        "streaming": report.streaming if report else None,
        "packets_per_second": report.packets_per_second if report else None,
        "last_packet_at": None if last_ms is None else datetime.fromtimestamp(last_ms / 1_000, tz=UTC),
        "lag_ms": max(0, report.reported_at_ms - last_ms) if report and last_ms is not None else None,
        "last_error": one.last_error,
    }


def format_rebalance_report(done: RebalanceReport) -> dict[str, Any]:
    """Return the number of moves, and the instruments by connection before and after."""
    return {
        "moves": done.moves,
        "before": {str(number): count for number, count in done.before.items()},
        "after": {str(number): count for number, count in done.after.items()},
    }


def _format_subscription(one: ActiveSubscription) -> dict[str, Any]:
    return {
        "token": one.token,
        "key": str(one.key),
        "instrument_id": one.instrument_id,
        "underlying": one.underlying,
        "exchange": one.exchange.value,
        "tier": one.tier.value,
        "mode": one.mode.value,
        "connection": one.connection,
        "leaving_connection": one.leaving_connection,
        "connection_state": one.state.value,
        "since": one.since,
        "claims": one.claims,
    }
