"""Reads of claims and subscriptions; typed values, never half-built querysets."""

from subscriptions.selectors.active import (
    ActivePage,
    ActiveSubscription,
    NotSubscribed,
    SubscriptionDetail,
    get_active,
    list_active,
)
from subscriptions.selectors.books import AccountCooldown, ConnectionBooks, find_cooldown, list_books
from subscriptions.selectors.claimants import (
    Affected,
    AffectedChain,
    Claimants,
    ClaimTotals,
    count_legs,
    list_affected,
    list_claim_totals,
    list_claimants,
)
from subscriptions.selectors.connections import WsStatus, list_health, ws_status
from subscriptions.selectors.drift import compare_board
from subscriptions.selectors.preload import (
    PreloadPlan,
    PreloadState,
    PreloadTarget,
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
    connection_of,
    list_claim_connections,
    list_wanted,
)

__all__ = [
    "AccountCooldown",
    "ActivePage",
    "ActiveSubscription",
    "Affected",
    "AffectedChain",
    "ClaimTotals",
    "Claimants",
    "ConnectionBooks",
    "ConnectionStatus",
    "NotSubscribed",
    "PreloadPlan",
    "PreloadState",
    "PreloadTarget",
    "PreviewedSeries",
    "RulePreview",
    "RuleState",
    "Status",
    "SubscriptionDetail",
    "WsStatus",
    "compare_board",
    "connection_of",
    "count_legs",
    "find_cooldown",
    "get_active",
    "list_active",
    "list_affected",
    "list_books",
    "list_claim_connections",
    "list_claim_totals",
    "list_claimants",
    "list_connections",
    "list_health",
    "list_wanted",
    "plan_preload",
    "preload_state",
    "preview_rule",
    "shown_state",
    "state_without_owner",
    "subscription_status",
    "ws_status",
]
