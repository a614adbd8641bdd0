"""Reads of claims and subscriptions; typed values, never half-built querysets."""

from subscriptions.selectors.active import (
    ActivePage,
    ActiveSubscription,
    NotSubscribed,
    SubscriptionDetail,
    get_active,
    list_active,
)
from subscriptions.selectors.books import AccountQuiet, ConnectionBooks, find_quiet, list_books
from subscriptions.selectors.connections import WsStatus, list_health, ws_status
from subscriptions.selectors.drift import compare_board
from subscriptions.selectors.holders import (
    Affected,
    AffectedChain,
    Holders,
    Holding,
    count_legs,
    list_affected,
    list_holders,
    list_holdings,
)
from subscriptions.selectors.preload import (
    PreloadPlan,
    PreloadState,
    PreloadThing,
    RuleState,
    plan_preload,
    preload_state,
)
from subscriptions.selectors.preview import PreviewedSeries, RulePreview, preview_rule
from subscriptions.selectors.status import (
    ConnectionStatus,
    Status,
    list_connections,
    shown_state,
    state_without_owner,
    subscription_status,
)
from subscriptions.selectors.wanted import (
    WantedInstrument,
    connection_of,
    list_claim_connections,
    list_wanted,
)

__all__ = [
    "AccountQuiet",
    "ActivePage",
    "ActiveSubscription",
    "Affected",
    "AffectedChain",
    "ConnectionBooks",
    "ConnectionStatus",
    "Holders",
    "Holding",
    "NotSubscribed",
    "PreloadPlan",
    "PreloadState",
    "PreloadThing",
    "PreviewedSeries",
    "RulePreview",
    "RuleState",
    "Status",
    "SubscriptionDetail",
    "WantedInstrument",
    "WsStatus",
    "compare_board",
    "connection_of",
    "count_legs",
    "find_quiet",
    "get_active",
    "list_active",
    "list_affected",
    "list_books",
    "list_claim_connections",
    "list_connections",
    "list_health",
    "list_holders",
    "list_holdings",
    "list_wanted",
    "plan_preload",
    "preload_state",
    "preview_rule",
    "shown_state",
    "state_without_owner",
    "subscription_status",
    "ws_status",
]
